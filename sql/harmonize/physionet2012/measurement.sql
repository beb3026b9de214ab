-- The time series: hours and minutes since admission, a variable, its value. Missing values (-1) are set aside.
-- Fractions of oxygen, 0 to 1, become percent.
-- @reads set_a (record_id, t, parameter, value)
-- @reads _variables
SELECT
    source_row,
    record_id AS person_id,
    record_id AS visit_occurrence_id,
    'icu ' || record_id AS visit_detail_id,
    parameter AS measurement_source_value,
    CASE WHEN loinc_code IS NULL THEN 'PhysioNet 2012' ELSE 'LOINC' END AS source_vocabulary_id,
    coalesce(loinc_code, parameter) AS source_code,
    coalesce(description, parameter) AS source_code_description,
    TIMESTAMP '2000-01-01 00:00:00'
    + to_minutes(60 * TRY_CAST(split_part(t, ':', 1) AS INTEGER) + TRY_CAST(split_part(t, ':', 2) AS INTEGER))
        AS measurement_datetime,
    CASE parameter WHEN 'FiO2' THEN 100 ELSE 1 END * TRY_CAST(value AS DOUBLE) AS value_as_number,
    value AS value_source_value,
    unit AS unit_source_value,
    CASE WHEN TRY_CAST(value AS DOUBLE) = -1 THEN 'missing (-1)' END AS set_aside
FROM set_a
LEFT JOIN _variables USING (parameter)
WHERE parameter NOT IN ('RecordID', 'Age', 'Gender', 'ICUType')
