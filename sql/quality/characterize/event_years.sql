-- Persons with a record of any concept inside observation periods, by year, gender and age decile.
-- @reads observed_event (person_id, start_date)
-- @reads person (person_id, gender_concept_id, year_of_birth)
WITH person_year AS MATERIALIZED (
    SELECT DISTINCT person_id, year(start_date) AS year
    FROM observed_event
    WHERE in_period
)
SELECT 'persons by year' AS shape, [year] AS strata, NULL AS value, count(*) AS n
FROM person_year
GROUP BY year
UNION ALL
SELECT
    'persons by year, gender and age decile',
    [year, gender_concept_id, CAST(floor((year - year_of_birth) / 10) AS BIGINT)],
    NULL,
    count(*)
FROM person_year
JOIN person USING (person_id)
GROUP BY ALL
