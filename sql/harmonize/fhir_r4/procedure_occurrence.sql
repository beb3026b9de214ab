-- Procedures that were done or are being done. ICD-9-CM codes of procedures are a vocabulary of their own in OMOP.
-- @reads Procedure? (resource)
-- @reads _encounters
WITH procedure AS (
    SELECT
        source_row,
        resource,
        omopsql.preferred_coding(resource -> '$.code') AS coding,
        omopsql.fhir_reference(resource ->> '$.encounter.reference') AS encounter_id
    FROM Procedure
)
SELECT
    p.source_row,
    omopsql.fhir_reference(p.resource ->> '$.subject.reference', resource_type := 'Patient') AS person_id,
    coalesce(e.visit_occurrence_id, p.encounter_id) AS visit_occurrence_id,
    e.visit_detail_id,
    omopsql.fhir_reference(p.resource ->> '$.performer[0].actor.reference', resource_type := 'Practitioner')
        AS provider_id,
    p.coding.code AS procedure_source_value,
    CASE p.coding.vocabulary_id WHEN 'ICD9CM' THEN 'ICD9Proc' ELSE p.coding.vocabulary_id END AS source_vocabulary_id,
    p.coding.name AS source_code_description,
    omopsql.fhir_datetime(coalesce(p.resource ->> '$.performedPeriod.start', p.resource ->> '$.performedDateTime'))
        AS procedure_datetime,
    omopsql.fhir_datetime(p.resource ->> '$.performedPeriod.end') AS procedure_end_datetime,
    omopsql.preferred_coding(p.resource -> '$.bodySite[0]').name AS modifier_source_value,
    CASE p.resource ->> '$.status'
        WHEN 'entered-in-error' THEN 'entered in error'
        WHEN 'not-done' THEN 'not done'
        WHEN 'preparation' THEN 'planned, not begun'
    END AS set_aside
FROM procedure AS p
LEFT JOIN _encounters AS e ON p.encounter_id = e.encounter_id
