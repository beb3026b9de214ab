-- The register of deaths.
-- @reads deaths (patient_no, died_on, cause_icd?)
SELECT
    source_row,
    patient_no AS person_id,
    died_on AS death_date,
    cause_icd AS cause_source_value,
    'ICD10CM' AS source_vocabulary_id
FROM deaths
