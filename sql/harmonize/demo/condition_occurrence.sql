-- Diagnoses coded at the end of each contact.
-- @reads diagnoses (patient_no, stay_no, rank, icd_code, coded_on)
SELECT
    source_row,
    patient_no AS person_id,
    stay_no AS visit_occurrence_id,
    icd_code AS condition_source_value,
    'ICD10CM' AS source_vocabulary_id,
    coded_on AS condition_start_date,
    CASE rank WHEN '1' THEN 'principal' ELSE 'secondary' END AS condition_status_source_value
FROM diagnoses
