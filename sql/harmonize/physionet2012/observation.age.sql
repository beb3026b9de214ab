-- The age as it was recorded on admission.
-- @reads set_a (record_id, parameter, value)
SELECT
    source_row,
    record_id AS person_id,
    record_id AS visit_occurrence_id,
    'Age' AS observation_source_value,
    'LOINC' AS source_vocabulary_id,
    '30525-0' AS source_code,
    'Age on admission' AS source_code_description,
    DATE '2000-01-01' AS observation_date,
    value AS value_as_number,
    'a' AS unit_source_value
FROM set_a
WHERE parameter = 'Age'
