-- Diagnoses coded at discharge for billing. They carry no date of their own: they start with the admission.
-- @reads diagnoses_icd? (subject_id, hadm_id, seq_num, icd9_code)
-- @reads admissions (hadm_id, admittime)
-- @reads d_icd_diagnoses? (icd9_code, long_title)
WITH title AS (SELECT icd9_code, any_value(long_title) AS long_title FROM d_icd_diagnoses GROUP BY icd9_code)
SELECT
    diagnoses_icd.source_row,
    diagnoses_icd.subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    icd9_code AS condition_source_value,
    'ICD9CM' AS source_vocabulary_id,
    long_title AS source_code_description,
    admittime AS condition_start_datetime,
    32821 AS condition_type_concept_id,
    CASE TRY_CAST(seq_num AS INTEGER) WHEN 1 THEN 32903 ELSE 32909 END AS condition_status_concept_id,
    seq_num AS condition_status_source_value,
    CASE WHEN icd9_code IS NULL THEN 'no code' END AS set_aside
FROM diagnoses_icd
LEFT JOIN admissions USING (hadm_id)
LEFT JOIN title USING (icd9_code)
