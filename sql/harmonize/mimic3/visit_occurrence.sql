-- Admissions. One that came through the emergency department begins there.
-- @reads admissions (hadm_id, subject_id, admittime, dischtime, admission_type, admission_location)
-- @reads admissions (discharge_location, edregtime?)
WITH admission AS (
    SELECT
        *,
        TRY_CAST(admittime AS TIMESTAMP) AS admitted_at,
        TRY_CAST(edregtime AS TIMESTAMP) AS registered_at
    FROM admissions
)
SELECT
    source_row,
    hadm_id AS visit_occurrence_id,
    subject_id AS person_id,
    CASE
        WHEN registered_at IS NOT NULL OR admission_location = 'EMERGENCY ROOM ADMIT' THEN 262
        ELSE 9201
    END AS visit_concept_id,
    admission_type AS visit_source_value,
    least(admitted_at, registered_at) AS visit_start_datetime,
    dischtime AS visit_end_datetime,
    admission_location AS admitted_from_source_value,
    discharge_location AS discharged_to_source_value,
    lag(hadm_id) OVER (PARTITION BY subject_id ORDER BY admitted_at) AS preceding_visit_occurrence_id
FROM admission
