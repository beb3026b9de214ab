-- Deaths, at the end of overall survival.
-- @reads data_clinical_patient (PATIENT_ID)
-- @reads _patients
SELECT source_row, patient_id AS person_id, last_seen AS death_date, 32879 AS death_type_concept_id
FROM _patients
WHERE is_dead
