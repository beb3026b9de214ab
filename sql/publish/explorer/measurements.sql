-- Measurements: how many, and how they are spread
SELECT
    measurement_concept_id,
    unit_concept_id,
    any_value(measurement_source_value) AS such_as,
    count(*) AS measured,
    count(DISTINCT person_id) AS persons,
    round(quantile_cont(value_as_number, 0.25), 2) AS lower_quartile,
    round(median(value_as_number), 2) AS median,
    round(quantile_cont(value_as_number, 0.75), 2) AS upper_quartile
FROM measurement
WHERE value_as_number IS NOT NULL
GROUP BY measurement_concept_id, unit_concept_id
ORDER BY measured DESC, measurement_concept_id, unit_concept_id
LIMIT 20;
