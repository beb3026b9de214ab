-- Values of measurements and observations inside observation periods: which records have one, the numbers and the
-- normal ranges by concept and unit, and where the numbers lie in their ranges.
-- @reads observed_event (concept_id, unit_concept_id?, value_as_number?, value_as_string?, value_as_concept_id?,
--     range_low?, range_high?)
WITH value_count AS MATERIALIZED (
    SELECT
        concept_id,
        count(*) AS records,
        count(*) FILTER (WHERE value_as_number IS NOT NULL OR value_as_concept_id <> 0) AS valued,
        count(*) FILTER (
            WHERE value_as_number IS NULL AND value_as_string IS NULL AND value_as_concept_id IS NULL
        ) AS blank
    FROM observed_event
    WHERE in_period
    GROUP BY concept_id
),
number AS MATERIALIZED (
    SELECT concept_id, unit_concept_id, value_as_number, range_low, range_high, count(*) AS records
    FROM observed_event
    WHERE in_period AND value_as_number IS NOT NULL AND unit_concept_id IS NOT NULL
    GROUP BY ALL
),
ranged AS (
    SELECT * FROM number
    WHERE range_low IS NOT NULL AND range_high IS NOT NULL
)
SELECT 'records with a value' AS shape, [] AS strata, NULL AS value, sum(valued) AS n
FROM value_count
UNION ALL
SELECT 'records with a value by concept', [concept_id], NULL, valued
FROM value_count
UNION ALL
SELECT 'records without number and concept', [], NULL, sum(records - valued)
FROM value_count
UNION ALL
SELECT 'records without any value', [], NULL, sum(blank)
FROM value_count
UNION ALL
SELECT
    'share without number and concept by concept',
    [
        CAST(concept_id AS VARCHAR),
        CAST(records - valued AS VARCHAR),
        CAST((records - valued) / records AS VARCHAR)
    ],
    NULL,
    records - valued
FROM value_count
UNION ALL
SELECT 'numbers by concept and unit', [concept_id, unit_concept_id], value_as_number, sum(records)
FROM number
GROUP BY concept_id, unit_concept_id, value_as_number
UNION ALL
SELECT 'low ends of the range by concept and unit', [concept_id, unit_concept_id], range_low, sum(records)
FROM ranged
GROUP BY concept_id, unit_concept_id, range_low
UNION ALL
SELECT 'high ends of the range by concept and unit', [concept_id, unit_concept_id], range_high, sum(records)
FROM ranged
GROUP BY concept_id, unit_concept_id, range_high
UNION ALL
SELECT
    'records by concept, unit and place in the range',
    [
        CAST(concept_id AS VARCHAR),
        CAST(unit_concept_id AS VARCHAR),
        CASE
            WHEN value_as_number < range_low THEN 'Below Range Low'
            WHEN value_as_number BETWEEN range_low AND range_high THEN 'Within Range'
            WHEN value_as_number > range_high THEN 'Above Range High'
            ELSE 'Other'
        END
    ],
    NULL,
    sum(records)
FROM ranged
GROUP BY ALL
