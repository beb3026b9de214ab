-- Whether patients smoke, as asked at the beginning of a contact.
-- @reads vital_signs (patient_no, stay_no, measured_on, smoking?)
SELECT
    source_row,
    patient_no AS person_id,
    stay_no AS visit_occurrence_id,
    '72166-2' AS observation_source_value,
    'LOINC' AS source_vocabulary_id,
    measured_on AS observation_date,
    smoking AS value_as_string
FROM vital_signs
WHERE smoking IS NOT NULL
