-- Patients' first stays and what was measured in them: one row for each person, variable and minute. A variable is a
-- measurement concept, or the source's own name where it has none.
WITH stay AS (
    SELECT
        person_id,
        min(coalesce(CAST(visit_start_datetime AS TIMESTAMP), CAST(visit_start_date AS TIMESTAMP))) AS began
    FROM visit_occurrence
    GROUP BY person_id
),
patient AS (
    SELECT person_id, row_number() OVER (ORDER BY person_id) - 1 AS patient, began
    FROM stay
    JOIN person USING (person_id)
),
timed AS (
    SELECT
        patient,
        CASE
            WHEN coalesce(measurement_concept_id, 0) > 0 THEN CAST(measurement_concept_id AS VARCHAR)
            ELSE measurement_source_value
        END AS variable,
        CAST(
            date_diff('minute', began, coalesce(CAST(measurement_datetime AS TIMESTAMP), measurement_date)) AS INTEGER
        ) AS minute,
        CAST(value_as_number AS DOUBLE) AS value
    FROM measurement
    JOIN patient USING (person_id)
    WHERE value_as_number IS NOT NULL
)
SELECT patient, variable, minute, max(value) AS value
FROM timed
WHERE variable IS NOT NULL
GROUP BY patient, variable, minute
ORDER BY patient, variable, minute
