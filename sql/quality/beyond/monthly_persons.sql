-- Persons with each concept in each month, while they are under observation.
-- @reads event (person_id, concept_id, start_date)
-- @reads observation_period (person_id, observation_period_start_date, observation_period_end_date)
WITH person_month AS (
    SELECT DISTINCT
        event.concept_id,
        CAST(100 * year(event.start_date) + month(event.start_date) AS INTEGER) AS month,
        event.person_id
    FROM event
    JOIN observation_period
        ON event.person_id = observation_period.person_id
        AND event.start_date
            BETWEEN observation_period.observation_period_start_date AND observation_period.observation_period_end_date
    WHERE event.concept_id IS NOT NULL
)
SELECT CAST(concept_id AS BIGINT) AS concept_id, month, count(*) AS persons
FROM person_month
GROUP BY concept_id, month
ORDER BY concept_id, month
