-- Observations with a text: answers to questionnaires, findings.
-- @reads observations? (date, patient, encounter, code, description, value, units, type)
-- @reads _encounters
SELECT
    source_row,
    observations.patient AS person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    "date" AS observation_datetime,
    "value" AS value_as_string,
    "value" AS value_source_value,
    nullif(units, 'null') AS unit_source_value,
    code AS observation_source_value,
    'LOINC' AS source_vocabulary_id,
    description AS source_code_description,
    32827 AS observation_type_concept_id  -- EHR encounter record
FROM observations
LEFT JOIN _encounters ON encounter = encounter_id
WHERE type IS DISTINCT FROM 'numeric'
