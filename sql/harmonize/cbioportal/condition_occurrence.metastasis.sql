-- Metastases of breast cancer, where the study tells when they were found: in whole months since birth, and so on the
-- day of diagnosis if that seems less than a month away.
-- @reads data_clinical_patient (PATIENT_ID, METASTATIC_RECURRENCE_TIME_MONTHS?)
-- @reads _patients
WITH metastasis AS (
    SELECT
        c.source_row,
        c.PATIENT_ID,
        p.diagnosed,
        TRY_CAST(c.METASTATIC_RECURRENCE_TIME_MONTHS AS DOUBLE) - p.age_months AS months
    FROM data_clinical_patient AS c
    JOIN _patients AS p ON c.source_row = p.source_row
    WHERE c.METASTATIC_RECURRENCE_TIME_MONTHS IS NOT NULL AND p.age_months IS NOT NULL
)
SELECT
    source_row,
    PATIENT_ID AS person_id,
    'metastasis' AS condition_source_value,
    '315004001' AS source_code,
    'SNOMED' AS source_vocabulary_id,
    diagnosed + CASE WHEN months BETWEEN -1 AND 0 THEN 0 ELSE CAST(round(months * 365.25 / 12) AS INTEGER) END
        AS condition_start_date,
    32879 AS condition_type_concept_id
FROM metastasis
