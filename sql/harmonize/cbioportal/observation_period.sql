-- From diagnosis to the end of overall survival, and to the last sample if that is later.
-- @reads _patients
-- @reads _samples
SELECT
    p.patient_id AS person_id,
    least(p.diagnosed, min(s.taken)) AS observation_period_start_date,
    greatest(p.diagnosed, p.last_seen, max(s.taken)) AS observation_period_end_date,
    32879 AS period_type_concept_id
FROM _patients AS p
LEFT JOIN _samples AS s ON p.patient_id = s.patient_id
WHERE p.born IS NOT NULL
GROUP BY p.patient_id, p.diagnosed, p.last_seen
