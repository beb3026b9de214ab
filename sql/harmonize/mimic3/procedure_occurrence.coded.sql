-- Procedures coded at discharge for billing. They carry no date of their own: they stand on the day of admission.
-- @reads procedures_icd? (subject_id, hadm_id, icd9_code)
-- @reads admissions (hadm_id, admittime)
-- @reads d_icd_procedures? (icd9_code, long_title)
WITH title AS (SELECT icd9_code, any_value(long_title) AS long_title FROM d_icd_procedures GROUP BY icd9_code)
SELECT
    procedures_icd.source_row,
    procedures_icd.subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    icd9_code AS procedure_source_value,
    'ICD9Proc' AS source_vocabulary_id,
    long_title AS source_code_description,
    CAST(TRY_CAST(admittime AS TIMESTAMP) AS DATE) AS procedure_date,
    32821 AS procedure_type_concept_id
FROM procedures_icd
LEFT JOIN admissions USING (hadm_id)
LEFT JOIN title USING (icd9_code)
