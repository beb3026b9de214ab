-- Samples with the day on which each was taken; without a time of its own, a sample is of the day of diagnosis. Times
-- are whole months since birth, so a sample that seems taken less than a month before diagnosis was taken at diagnosis.
-- @reads data_clinical_sample (PATIENT_ID, SAMPLE_ID, SAMPLE_TYPE?, SAMPLE_SITE?, NGS_SAMPLE_COLLECTION_TIME?)
-- @reads _patients
WITH sample AS (
    SELECT
        s.source_row,
        s.PATIENT_ID AS patient_id,
        s.SAMPLE_ID AS sample_id,
        s.SAMPLE_TYPE AS sample_type,
        s.SAMPLE_SITE AS sample_site,
        p.diagnosed,
        coalesce(TRY_CAST(s.NGS_SAMPLE_COLLECTION_TIME AS DOUBLE) - p.age_months, 0) AS months
    FROM data_clinical_sample AS s
    LEFT JOIN _patients AS p ON s.PATIENT_ID = p.patient_id
)
SELECT
    * EXCLUDE (months),
    diagnosed + CASE WHEN months BETWEEN -1 AND 0 THEN 0 ELSE CAST(round(months * 365.25 / 12) AS INTEGER) END AS taken
FROM sample
