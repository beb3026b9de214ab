-- The records of an event table, each with whether it starts inside an observation period of its person. Periods that
-- touch or overlap are one spell, so that a record is never counted twice.
-- @reads event (person_id, start_date)
-- @reads observation_period? (person_id, observation_period_start_date, observation_period_end_date)
WITH opening AS (
    SELECT
        person_id,
        observation_period_start_date AS start_date,
        observation_period_end_date AS end_date,
        coalesce(observation_period_start_date > max(observation_period_end_date) OVER (
            PARTITION BY person_id ORDER BY observation_period_start_date, observation_period_end_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), true) AS opens_spell
    FROM observation_period
    WHERE observation_period_start_date <= observation_period_end_date
),
member AS (
    SELECT
        *,
        count(*) FILTER (WHERE opens_spell) OVER (
            PARTITION BY person_id ORDER BY start_date, end_date ROWS UNBOUNDED PRECEDING
        ) AS spell
    FROM opening
),
spell AS (
    SELECT person_id, min(start_date) AS first_day, max(end_date) AS last_day
    FROM member
    GROUP BY person_id, spell
)
SELECT event.*, spell.person_id IS NOT NULL AS in_period
FROM event
LEFT JOIN spell
    ON event.person_id = spell.person_id AND event.start_date BETWEEN spell.first_day AND spell.last_day
