-- The stay in intensive care, as far as the record covers it: the first two days.
-- @reads set_a (record_id, parameter, value)
-- @reads _units
SELECT
    source_row,
    'icu ' || record_id AS visit_detail_id,
    record_id AS person_id,
    record_id AS visit_occurrence_id,
    icu_type AS care_site_id,
    9201 AS visit_detail_concept_id,
    name AS visit_detail_source_value,
    TIMESTAMP '2000-01-01 00:00:00' AS visit_detail_start_datetime,
    TIMESTAMP '2000-01-03 00:00:00' AS visit_detail_end_datetime
FROM set_a
LEFT JOIN _units ON TRY_CAST(value AS INTEGER) = icu_type
WHERE parameter = 'ICUType'
