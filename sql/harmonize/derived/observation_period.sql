-- One period a person, from the first event to the last: visits with their ends, other events on the day they start.
-- @reads visit_occurrence? (person_id, visit_start_date, visit_end_date)
-- @reads condition_occurrence? (person_id, condition_start_date)
-- @reads drug_exposure? (person_id, drug_exposure_start_date)
-- @reads procedure_occurrence? (person_id, procedure_date)
-- @reads device_exposure? (person_id, device_exposure_start_date)
-- @reads measurement? (person_id, measurement_date)
-- @reads observation? (person_id, observation_date)
-- @reads death? (person_id, death_date)
WITH event AS (
    SELECT person_id, visit_start_date AS first_day, visit_end_date AS last_day FROM visit_occurrence
    UNION ALL
    SELECT person_id, condition_start_date, condition_start_date FROM condition_occurrence
    UNION ALL
    SELECT person_id, drug_exposure_start_date, drug_exposure_start_date FROM drug_exposure
    UNION ALL
    SELECT person_id, procedure_date, procedure_date FROM procedure_occurrence
    UNION ALL
    SELECT person_id, device_exposure_start_date, device_exposure_start_date FROM device_exposure
    UNION ALL
    SELECT person_id, measurement_date, measurement_date FROM measurement
    UNION ALL
    SELECT person_id, observation_date, observation_date FROM observation
    UNION ALL
    SELECT person_id, death_date, death_date FROM death
)
SELECT
    row_number() OVER (ORDER BY person_id) AS observation_period_id,
    person_id,
    min(first_day) AS observation_period_start_date,
    greatest(max(last_day), max(first_day)) AS observation_period_end_date,
    32882 AS period_type_concept_id  -- standard algorithm from EHR
FROM event
GROUP BY person_id
HAVING min(first_day) IS NOT NULL
ORDER BY observation_period_id
