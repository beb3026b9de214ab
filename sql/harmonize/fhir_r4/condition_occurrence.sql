-- Conditions: diagnoses of encounters and entries of the problem list. Without an onset the day of recording counts.
-- @reads Condition? (resource)
-- @reads _encounters
WITH condition AS (
    SELECT
        source_row,
        resource,
        omopsql.preferred_coding(resource -> '$.code') AS coding,
        omopsql.fhir_reference(resource ->> '$.encounter.reference') AS encounter_id,
        resource ->> '$.verificationStatus.coding[0].code' AS verification
    FROM Condition
)
SELECT
    c.source_row,
    omopsql.fhir_reference(c.resource ->> '$.subject.reference', resource_type := 'Patient') AS person_id,
    coalesce(e.visit_occurrence_id, c.encounter_id) AS visit_occurrence_id,
    e.visit_detail_id,
    omopsql.fhir_reference(
        coalesce(c.resource ->> '$.asserter.reference', c.resource ->> '$.recorder.reference'),
        resource_type := 'Practitioner'
    ) AS provider_id,
    c.coding.code AS condition_source_value,
    c.coding.vocabulary_id AS source_vocabulary_id,
    c.coding.name AS source_code_description,
    CASE c.resource ->> '$.category[0].coding[0].code' WHEN 'problem-list-item' THEN 32840 ELSE 32817 END
        AS condition_type_concept_id,
    omopsql.fhir_datetime(coalesce(
        c.resource ->> '$.onsetDateTime', c.resource ->> '$.onsetPeriod.start', c.resource ->> '$.recordedDate'
    )) AS condition_start_datetime,
    omopsql.fhir_datetime(coalesce(
        c.resource ->> '$.abatementDateTime', c.resource ->> '$.abatementPeriod.end', c.resource ->> '$.onsetPeriod.end'
    )) AS condition_end_datetime,
    c.verification AS condition_status_source_value,
    CASE c.verification
        WHEN 'entered-in-error' THEN 'entered in error'
        WHEN 'refuted' THEN 'refuted'
    END AS set_aside
FROM condition AS c
LEFT JOIN _encounters AS e ON c.encounter_id = e.encounter_id
