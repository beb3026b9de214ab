-- Observation periods: age at the first one, its length, when periods start and end, how many a person has, and those
-- that break a rule.
-- @reads observation_period (person_id, observation_period_start_date, observation_period_end_date,
--     period_type_concept_id?)
-- @reads person (person_id, gender_concept_id, year_of_birth)
WITH period AS MATERIALIZED (
    SELECT
        observation_period.person_id,
        observation_period_start_date AS start_date,
        observation_period_end_date AS end_date,
        period_type_concept_id,
        person.person_id IS NOT NULL AS has_person,
        gender_concept_id,
        year_of_birth,
        year(observation_period_start_date) - year_of_birth AS age,
        observation_period_end_date - observation_period_start_date AS days,
        row_number() OVER (
            PARTITION BY observation_period.person_id
            ORDER BY observation_period_start_date, observation_period_end_date
        ) AS place
    FROM observation_period
    LEFT JOIN person ON observation_period.person_id = person.person_id
),
first_period AS MATERIALIZED (
    SELECT gender_concept_id, age, days, has_person, count(*) AS persons
    FROM period
    WHERE place = 1
    GROUP BY ALL
),
periods_each AS (
    SELECT max(place) AS periods
    FROM period
    GROUP BY person_id
)
SELECT 'persons by age' AS shape, [age] AS strata, NULL AS value, sum(persons) AS n
FROM first_period
WHERE has_person
GROUP BY ALL
UNION ALL
SELECT 'persons by gender and age', [gender_concept_id, age], NULL, sum(persons)
FROM first_period
WHERE has_person
GROUP BY ALL
UNION ALL
SELECT 'age', [], age, sum(persons)
FROM first_period
WHERE age IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'age by gender', [gender_concept_id], age, sum(persons)
FROM first_period
WHERE age IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'days', [], days, sum(persons)
FROM first_period
WHERE days IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'days by gender', [gender_concept_id], days, sum(persons)
FROM first_period
WHERE days IS NOT NULL AND has_person
GROUP BY ALL
UNION ALL
SELECT 'days by age decile', [CAST(floor(age / 10) AS BIGINT)], days, sum(persons)
FROM first_period
WHERE days IS NOT NULL AND has_person
GROUP BY ALL
UNION ALL
SELECT 'persons by length in 30 days', [days // 30], NULL, sum(persons)
FROM first_period
GROUP BY ALL
UNION ALL
SELECT 'persons by start month', [100 * year(start_date) + month(start_date)], NULL, count(DISTINCT person_id)
FROM period
GROUP BY ALL
UNION ALL
SELECT 'persons by end month', [100 * year(end_date) + month(end_date)], NULL, count(DISTINCT person_id)
FROM period
GROUP BY ALL
UNION ALL
SELECT 'persons by number of periods', [periods], NULL, count(*)
FROM periods_each
GROUP BY ALL
UNION ALL
SELECT 'persons with a period before birth', [], NULL, count(DISTINCT person_id)
FROM period
WHERE year(start_date) < year_of_birth
UNION ALL
SELECT 'persons with a period that ends before it starts', [], NULL, count(DISTINCT person_id)
FROM period
WHERE end_date < start_date
UNION ALL
SELECT 'periods of an unknown person', [], NULL, count(*)
FROM period
WHERE NOT has_person
UNION ALL
SELECT 'periods by type', [period_type_concept_id], NULL, count(*)
FROM period
GROUP BY ALL
