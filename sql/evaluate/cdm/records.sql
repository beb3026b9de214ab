-- The records of one event table: whose, which concept, and on which day since the person's origin, within observation.
-- @reads event (person_id, concept_id?, start_date)
-- @reads people (person_id, person, origin, last_day)
SELECT
    person,
    CAST(coalesce(concept_id, 0) AS BIGINT) AS concept_id,
    CAST(least(greatest(start_date - DATE '1970-01-01' - origin, 0), last_day) AS INTEGER) AS day
FROM event
JOIN people USING (person_id)
WHERE start_date IS NOT NULL
ORDER BY person, day, concept_id
