-- Persons with a concept while each segment of its series lasts.
-- @reads segment (concept_id, first_month, last_month)
-- @reads event (person_id, concept_id, start_date)
-- @reads observation_period (person_id, observation_period_start_date, observation_period_end_date)
SELECT segment.concept_id, segment.first_month, count(DISTINCT event.person_id) AS persons
FROM event
JOIN segment
    ON event.concept_id = segment.concept_id
    AND 100 * year(event.start_date) + month(event.start_date) BETWEEN segment.first_month AND segment.last_month
JOIN observation_period
    ON event.person_id = observation_period.person_id
    AND event.start_date
        BETWEEN observation_period.observation_period_start_date AND observation_period.observation_period_end_date
GROUP BY segment.concept_id, segment.first_month
