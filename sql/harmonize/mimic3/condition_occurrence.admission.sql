-- The diagnosis on admission, as text. Map texts of weight in source_to_concept_map.
-- @reads admissions (hadm_id, subject_id, admittime, diagnosis)
SELECT
    source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    diagnosis AS condition_source_value,
    'MIMIC-III admission diagnosis' AS source_vocabulary_id,
    admittime AS condition_start_datetime,
    32819 AS condition_type_concept_id,
    'admission' AS condition_status_source_value
FROM admissions
WHERE diagnosis IS NOT NULL
