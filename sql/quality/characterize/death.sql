-- Persons who died inside an observation period: by cause, month, year with gender and age decile, and age.
-- @reads observed_event (person_id, concept_id?, type_concept_id?, source_concept_id?, start_date)
-- @reads person (person_id, gender_concept_id, year_of_birth)
WITH death AS MATERIALIZED (
    SELECT
        person_id,
        concept_id AS cause,
        type_concept_id,
        source_concept_id,
        year(start_date) AS year,
        month(start_date) AS month
    FROM observed_event
    WHERE in_period
),
first_death AS (
    SELECT person_id, min(year) AS year
    FROM death
    GROUP BY person_id
)
SELECT 'persons by cause' AS shape, [cause] AS strata, NULL AS value, count(DISTINCT person_id) AS n
FROM death
GROUP BY cause
UNION ALL
SELECT 'records by cause', [cause], NULL, count(*)
FROM death
GROUP BY cause
UNION ALL
SELECT 'persons by month', [100 * year + month], NULL, count(DISTINCT person_id)
FROM death
GROUP BY year, month
UNION ALL
SELECT
    'persons by year, gender and age decile',
    [year, gender_concept_id, CAST(floor((year - year_of_birth) / 10) AS BIGINT)],
    NULL,
    count(DISTINCT person_id)
FROM death
JOIN person USING (person_id)
GROUP BY ALL
UNION ALL
SELECT 'records by type', [type_concept_id], NULL, count(*)
FROM death
GROUP BY type_concept_id
UNION ALL
SELECT 'records by source concept', [source_concept_id], NULL, count(*)
FROM death
GROUP BY source_concept_id
UNION ALL
SELECT 'age at death by gender', [gender_concept_id], year - year_of_birth, count(*)
FROM first_death
JOIN person USING (person_id)
WHERE year_of_birth IS NOT NULL
GROUP BY ALL
