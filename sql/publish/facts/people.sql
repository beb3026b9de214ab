-- How many persons a CDM has, how old they are in the years when their observation begins, and from which day to which
-- day they are observed.
-- @reads person (person_id, year_of_birth)
-- @reads observation_period (person_id, observation_period_start_date, observation_period_end_date)
WITH observed AS (
    SELECT
        person_id,
        min(observation_period_start_date) AS first_day,
        max(coalesce(observation_period_end_date, observation_period_start_date)) AS last_day
    FROM observation_period
    GROUP BY person_id
),
one_person AS (
    SELECT person_id, min(year_of_birth) AS year_of_birth
    FROM person
    GROUP BY person_id
)
SELECT
    count(*) AS persons,
    CAST(min(greatest(year(first_day) - year_of_birth, 0)) AS INTEGER) AS youngest,
    CAST(max(greatest(year(first_day) - year_of_birth, 0)) AS INTEGER) AS oldest,
    min(first_day) AS first_day,
    max(last_day) AS last_day
FROM one_person
LEFT JOIN observed USING (person_id)
