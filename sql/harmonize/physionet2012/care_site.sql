-- The intensive-care units that patients lay on.
-- @reads set_a (parameter, value)
-- @reads _units
SELECT
    min(source_row) AS source_row,
    icu_type AS care_site_id,
    name AS care_site_name,
    icu_type AS care_site_source_value,
    8717 AS place_of_service_concept_id
FROM set_a
JOIN _units ON TRY_CAST(value AS INTEGER) = icu_type
WHERE parameter = 'ICUType'
GROUP BY icu_type, name
