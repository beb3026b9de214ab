-- Diagnostic reports: that the panel or examination was done. Its results are Observations, with rows of their own.
-- @reads DiagnosticReport? (resource)
-- @reads _encounters
WITH report AS (
    SELECT
        source_row,
        resource,
        omopsql.preferred_coding(resource -> '$.code') AS coding,
        omopsql.fhir_reference(resource ->> '$.encounter.reference') AS encounter_id
    FROM DiagnosticReport
)
SELECT
    r.source_row,
    omopsql.fhir_reference(r.resource ->> '$.subject.reference', resource_type := 'Patient') AS person_id,
    coalesce(e.visit_occurrence_id, r.encounter_id) AS visit_occurrence_id,
    e.visit_detail_id,
    omopsql.fhir_reference(r.resource ->> '$.performer[0].reference', resource_type := 'Practitioner') AS provider_id,
    r.coding.code AS measurement_source_value,
    r.coding.vocabulary_id AS source_vocabulary_id,
    r.coding.name AS source_code_description,
    omopsql.fhir_datetime(coalesce(
        r.resource ->> '$.effectiveDateTime', r.resource ->> '$.effectivePeriod.start', r.resource ->> '$.issued'
    )) AS measurement_datetime,
    CASE r.resource ->> '$.status'
        WHEN 'entered-in-error' THEN 'entered in error'
        WHEN 'cancelled' THEN 'cancelled'
        WHEN 'registered' THEN 'registered, no result yet'
    END AS set_aside
FROM report AS r
LEFT JOIN _encounters AS e ON r.encounter_id = e.encounter_id
