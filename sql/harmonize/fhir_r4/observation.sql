-- Observations that do not measure: social history, surveys, findings.
-- @reads Observation? (resource)
-- @reads _observations
SELECT
    source_row,
    person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    code AS observation_source_value,
    vocabulary_id AS source_vocabulary_id,
    name AS source_code_description,
    type_concept_id AS observation_type_concept_id,
    observed AS observation_datetime,
    number AS value_as_number,
    text AS value_as_string,
    unit AS unit_source_value,
    value AS value_source_value,
    value_vocabulary_id,
    set_aside
FROM _observations
WHERE NOT is_measurement
