-- The observation periods of people, as days from birth: those that overlap are one, and those that begin after death
-- are none. Persons without any are observed from their first day to their last.
-- reads observation_period: as the CDM declares it
-- reads people (person_id, person, birth, first_day, last_day, death_day): of people.sql, numbered from 0
WITH dated AS (
    SELECT
        people.person,
        people.first_day AS first_of_all,
        people.last_day AS last_of_all,
        CAST(observation_period_start_date - DATE '1970-01-01' AS INTEGER) - people.birth AS start_day,
        CAST(observation_period_end_date - DATE '1970-01-01' AS INTEGER) - people.birth AS end_day
    FROM observation_period
    JOIN people USING (person_id)
    WHERE observation_period_start_date IS NOT NULL
),
alive AS (
    SELECT
        person,
        greatest(start_day, first_of_all) AS first_day,
        least(greatest(start_day, coalesce(end_day, start_day), first_of_all), last_of_all) AS last_day
    FROM dated
    WHERE start_day <= last_of_all
),
reached AS (
    SELECT
        *,
        max(last_day) OVER (
            PARTITION BY person ORDER BY first_day, last_day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached_day
    FROM alive
),
numbered AS (
    SELECT
        *,
        count(*) FILTER (WHERE reached_day IS NULL OR first_day > reached_day) OVER (
            PARTITION BY person ORDER BY first_day, last_day ROWS UNBOUNDED PRECEDING
        ) AS period
    FROM reached
),
joined AS (
    SELECT person, min(first_day) AS first_day, max(last_day) AS last_day
    FROM numbered
    GROUP BY person, period
)
SELECT person, first_day, last_day
FROM joined
UNION ALL
SELECT person, first_day, last_day
FROM people
ANTI JOIN alive USING (person)
ORDER BY person, first_day
