-- What an admission tells of the person: insurance, language, religion, marital status.
-- @reads admissions (hadm_id, subject_id, admittime, insurance, language, religion, marital_status)
WITH admission AS (
    SELECT source_row, hadm_id, subject_id, admittime, insurance, language, religion, marital_status
    FROM admissions
),
told AS (
    SELECT * REPLACE (lower(question) AS question)
    FROM (UNPIVOT admission ON insurance, language, religion, marital_status INTO NAME question VALUE answer)
)
SELECT
    source_row,
    source_row || ' ' || question AS observation_id,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    question AS observation_source_value,
    'LOINC' AS source_vocabulary_id,
    CASE question
        WHEN 'insurance' THEN '76437-3'
        WHEN 'language' THEN '54899-0'
        WHEN 'religion' THEN '81364-2'
        WHEN 'marital_status' THEN '45404-1'
    END AS source_code,
    question AS source_code_description,
    admittime AS observation_datetime,
    answer AS value_as_string,
    answer AS value_source_value
FROM told
