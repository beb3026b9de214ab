-- Persons from the start of their observation to death or its end: days, and whether they died; age at the start.
WITH observed AS (
    SELECT
        person_id,
        min(CAST(observation_period_start_date AS DATE)) AS began,
        max(CAST(observation_period_end_date AS DATE)) AS ended
    FROM observation_period
    GROUP BY person_id
),
died AS (
    SELECT person_id, min(CAST(death_date AS DATE)) AS death
    FROM death
    GROUP BY person_id
)
SELECT
    person_id,
    CAST(year(began) - year_of_birth AS DOUBLE) AS age,
    CAST(greatest(date_diff('day', began, coalesce(death, ended)), 0) AS DOUBLE) AS days,
    death IS NOT NULL AS is_dead
FROM observed
JOIN person USING (person_id)
LEFT JOIN died USING (person_id)
ORDER BY person_id
