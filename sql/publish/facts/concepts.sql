-- How many persons have each concept, of what is done to persons and found in them. It is asked for some persons at a
-- time, and the answers are added up: tables are sorted by person, so only their rows are read, and memory is bounded.
-- @reads condition_occurrence, drug_exposure, procedure_occurrence, device_exposure, measurement, observation, specimen,
-- visit_occurrence, visit_detail, episode (person_id and the concept)
-- @reads death (person_id, cause_concept_id)
WITH had AS (
    SELECT person_id, condition_concept_id AS concept_id FROM condition_occurrence
    UNION ALL SELECT person_id, drug_concept_id FROM drug_exposure
    UNION ALL SELECT person_id, procedure_concept_id FROM procedure_occurrence
    UNION ALL SELECT person_id, device_concept_id FROM device_exposure
    UNION ALL SELECT person_id, measurement_concept_id FROM measurement
    UNION ALL SELECT person_id, observation_concept_id FROM observation
    UNION ALL SELECT person_id, specimen_concept_id FROM specimen
    UNION ALL SELECT person_id, visit_concept_id FROM visit_occurrence
    UNION ALL SELECT person_id, visit_detail_concept_id FROM visit_detail
    UNION ALL SELECT person_id, episode_concept_id FROM episode
    UNION ALL SELECT person_id, cause_concept_id FROM death
)
SELECT concept_id, count(DISTINCT person_id) AS persons
FROM had
WHERE concept_id <> 0
GROUP BY concept_id
