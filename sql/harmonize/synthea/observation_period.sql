-- One period a patient, from the first encounter to the end of the last.
-- @reads encounters (id)
-- @reads _encounters
SELECT
    patient AS person_id,
    CAST(min(started) AS DATE) AS observation_period_start_date,
    CAST(max(stopped) AS DATE) AS observation_period_end_date,
    32882 AS period_type_concept_id  -- standard algorithm from EHR
FROM _encounters
GROUP BY patient
