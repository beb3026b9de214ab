-- Persons and records of each concept inside observation periods: in all, by month, by year with gender and age decile,
-- by age at the first one, and by how many records a person has.
-- @reads observed_event (person_id, concept_id, start_date)
-- @reads person (person_id, gender_concept_id, year_of_birth)
WITH person_month AS MATERIALIZED (
    SELECT
        person_id,
        concept_id,
        CAST(100 * year(start_date) + month(start_date) AS INTEGER) AS month,
        count(*) AS records
    FROM observed_event
    WHERE in_period
    GROUP BY ALL
),
person_year AS MATERIALIZED (
    SELECT person_id, concept_id, month // 100 AS year, CAST(sum(records) AS BIGINT) AS records
    FROM person_month
    GROUP BY ALL
),
person_concept AS MATERIALIZED (
    SELECT person_id, concept_id, min(year) AS first_year, CAST(sum(records) AS BIGINT) AS records
    FROM person_year
    GROUP BY ALL
),
records_each AS (
    SELECT concept_id, records, count(*) AS persons
    FROM person_concept
    GROUP BY ALL
),
person_year_of_age AS (
    SELECT
        concept_id,
        year,
        gender_concept_id,
        CAST(floor((year - year_of_birth) / 10) AS BIGINT) AS age_decile
    FROM person_year
    JOIN person USING (person_id)
),
first_record AS (
    SELECT concept_id, gender_concept_id, first_year - year_of_birth AS age
    FROM person_concept
    JOIN person USING (person_id)
    WHERE year_of_birth IS NOT NULL
),
concepts_each AS (
    SELECT count(DISTINCT concept_id) AS concepts
    FROM person_concept
    GROUP BY person_id
)
SELECT 'persons by concept' AS shape, [concept_id] AS strata, NULL AS value, sum(persons) AS n
FROM records_each
GROUP BY concept_id
UNION ALL
SELECT 'records by concept', [concept_id], NULL, sum(records * persons)
FROM records_each
GROUP BY concept_id
UNION ALL
SELECT 'persons by concept and month', [concept_id, month], NULL, count(*)
FROM person_month
GROUP BY concept_id, month
UNION ALL
SELECT 'records by month', [month], NULL, sum(records)
FROM person_month
GROUP BY month
UNION ALL
SELECT
    'persons by concept, year, gender and age decile',
    [concept_id, year, gender_concept_id, age_decile],
    NULL,
    count(*)
FROM person_year_of_age
GROUP BY concept_id, year, gender_concept_id, age_decile
UNION ALL
SELECT 'persons by concept and least number of records', [concept_id, records], NULL, sum(persons) OVER (
    PARTITION BY concept_id ORDER BY records DESC
)
FROM records_each
UNION ALL
SELECT 'concepts of a person', [], concepts, count(*)
FROM concepts_each
GROUP BY concepts
UNION ALL
SELECT 'age at first record by concept and gender', [concept_id, gender_concept_id], age, count(*)
FROM first_record
GROUP BY concept_id, gender_concept_id, age
