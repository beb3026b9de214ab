-- Procedures. Older exports give a date where newer ones give start and stop.
-- @reads procedures? (start?, stop?, date?, patient, encounter, code, description)
-- @reads _encounters
SELECT
    source_row,
    procedures.patient AS person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    coalesce(start, "date") AS procedure_datetime,
    stop AS procedure_end_datetime,
    code AS procedure_source_value,
    'SNOMED' AS source_vocabulary_id,
    description AS source_code_description,
    32827 AS procedure_type_concept_id  -- EHR encounter record
FROM procedures
LEFT JOIN _encounters ON encounter = encounter_id
