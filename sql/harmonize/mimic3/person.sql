-- Patients. All dates of MIMIC-III are shifted into the future, each patient's by one number of days.
-- The dates of birth of patients over 89 lie 300 years before their first admission, so that their age is hidden. Their
-- year of birth is 91 years before that admission: the median of their ages, which the makers of MIMIC-III tell.
-- Race and ethnicity stand in one column of the admissions; the first admission that tells them is taken.
-- @reads patients (subject_id, gender, dob)
-- @reads admissions (subject_id, admittime, ethnicity)
WITH first_admission AS (
    SELECT
        subject_id,
        min(TRY_CAST(admittime AS TIMESTAMP)) AS admitted_at,
        arg_min(ethnicity, TRY_CAST(admittime AS TIMESTAMP)) FILTER (
            WHERE NOT regexp_matches(ethnicity, '^(UNKNOWN|UNABLE|PATIENT DECLINED)')
        ) AS ethnicity
    FROM admissions
    GROUP BY subject_id
),
patient AS (
    SELECT
        patients.source_row,
        patients.subject_id,
        upper(gender) AS gender,
        TRY_CAST(dob AS TIMESTAMP) AS born_at,
        admitted_at,
        ethnicity,
        coalesce(date_diff('year', TRY_CAST(dob AS TIMESTAMP), admitted_at) > 200, false) AS age_is_hidden
    FROM patients
    LEFT JOIN first_admission USING (subject_id)
)
SELECT
    source_row,
    subject_id AS person_id,
    subject_id AS person_source_value,
    CASE gender WHEN 'F' THEN 8532 WHEN 'M' THEN 8507 ELSE 0 END AS gender_concept_id,
    gender AS gender_source_value,
    CASE WHEN age_is_hidden THEN year(admitted_at) - 91 ELSE year(born_at) END AS year_of_birth,
    CASE WHEN NOT age_is_hidden THEN month(born_at) END AS month_of_birth,
    CASE WHEN NOT age_is_hidden THEN day(born_at) END AS day_of_birth,
    CASE
        WHEN ethnicity LIKE 'WHITE%' THEN 8527
        WHEN ethnicity LIKE 'BLACK%' THEN 8516
        WHEN ethnicity LIKE 'ASIAN%' THEN 8515
        WHEN ethnicity LIKE 'AMERICAN INDIAN%' THEN 8657
        WHEN ethnicity LIKE 'NATIVE HAWAIIAN%' THEN 8557
        ELSE 0
    END AS race_concept_id,
    ethnicity AS race_source_value,
    CASE WHEN ethnicity LIKE 'HISPANIC%' THEN 38003563 ELSE 0 END AS ethnicity_concept_id,
    ethnicity AS ethnicity_source_value
FROM patient
