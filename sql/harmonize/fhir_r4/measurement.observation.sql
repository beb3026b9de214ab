-- Observations that measure: laboratory results, vital signs, and whatever has a quantity.
-- @reads Observation? (resource)
-- @reads _observations
SELECT
    source_row,
    person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    code AS measurement_source_value,
    vocabulary_id AS source_vocabulary_id,
    name AS source_code_description,
    type_concept_id AS measurement_type_concept_id,
    observed AS measurement_datetime,
    operator_concept_id,
    number AS value_as_number,
    unit AS unit_source_value,
    value AS value_source_value,
    value_vocabulary_id,
    range_low,
    range_high,
    set_aside
FROM _observations
WHERE is_measurement
