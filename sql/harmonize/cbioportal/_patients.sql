-- Patients on a time line. A study tells months, not dates: every diagnosis is set on the first of January 1980, early
-- enough that the longest follow-up lies in the past, and all other dates count from there. So ages and intervals are
-- right, and calendar years mean nothing. The age at diagnosis is known to the month, or in completed years.
-- @reads data_clinical_patient (PATIENT_ID, OS_MONTHS?, OS_STATUS?, AGE?, AGE_AT_DIAGNOSIS?)
-- @reads data_clinical_sample? (PATIENT_ID, INVASIVE_CARCINOMA_DX_TIME?, INVASIVE_CARCINOMA_DX_AGE?)
WITH diagnosis AS (
    SELECT
        PATIENT_ID,
        min(TRY_CAST(INVASIVE_CARCINOMA_DX_TIME AS DOUBLE)) AS age_months,
        min(TRY_CAST(INVASIVE_CARCINOMA_DX_AGE AS DOUBLE)) AS age_years
    FROM data_clinical_sample
    GROUP BY PATIENT_ID
),
aged AS (
    SELECT
        p.source_row,
        p.PATIENT_ID,
        coalesce(
            d.age_months,
            12 * coalesce(d.age_years, TRY_CAST(p.AGE AS DOUBLE), TRY_CAST(p.AGE_AT_DIAGNOSIS AS DOUBLE)) + 6
        ) AS age_months,
        TRY_CAST(p.OS_MONTHS AS DOUBLE) AS survival_months,
        upper(p.OS_STATUS) LIKE '%DECEASED' AS is_dead
    FROM data_clinical_patient AS p
    LEFT JOIN diagnosis AS d USING (PATIENT_ID)
)
SELECT
    source_row,
    PATIENT_ID AS patient_id,
    age_months,
    is_dead,
    DATE '1980-01-01' AS diagnosed,
    diagnosed - CAST(round(age_months * 365.25 / 12) AS INTEGER) AS born,
    diagnosed + CAST(round(survival_months * 365.25 / 12) AS INTEGER) AS last_seen
FROM aged
