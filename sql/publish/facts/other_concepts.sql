-- The concepts that stand beside events: codes of the source, units, values, and what persons are.
-- @reads condition_occurrence, drug_exposure, procedure_occurrence, device_exposure, measurement, observation, person
SELECT DISTINCT concept_id
FROM (
    SELECT condition_source_concept_id AS concept_id FROM condition_occurrence
    UNION SELECT drug_source_concept_id FROM drug_exposure
    UNION SELECT procedure_source_concept_id FROM procedure_occurrence
    UNION SELECT device_source_concept_id FROM device_exposure
    UNION SELECT measurement_source_concept_id FROM measurement
    UNION SELECT unit_concept_id FROM measurement
    UNION SELECT value_as_concept_id FROM measurement
    UNION SELECT observation_source_concept_id FROM observation
    UNION SELECT unit_concept_id FROM observation
    UNION SELECT value_as_concept_id FROM observation
    UNION SELECT gender_concept_id FROM person
    UNION SELECT race_concept_id FROM person
    UNION SELECT ethnicity_concept_id FROM person
)
WHERE concept_id <> 0
