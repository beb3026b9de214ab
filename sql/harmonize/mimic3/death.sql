-- Deaths, in the hospital or found in the social security register later.
-- @reads patients (subject_id, dod, dod_hosp)
-- @reads admissions (subject_id, deathtime)
WITH in_hospital AS (
    SELECT subject_id, max(TRY_CAST(deathtime AS TIMESTAMP)) AS died_at
    FROM admissions
    GROUP BY subject_id
)
SELECT
    source_row,
    patients.subject_id AS person_id,
    CAST(coalesce(died_at, TRY_CAST(dod AS TIMESTAMP)) AS DATE) AS death_date,
    coalesce(died_at, TRY_CAST(dod AS TIMESTAMP)) AS death_datetime,
    CASE WHEN dod_hosp IS NULL THEN 32885 ELSE 32817 END AS death_type_concept_id
FROM patients
LEFT JOIN in_hospital USING (subject_id)
WHERE dod IS NOT NULL
