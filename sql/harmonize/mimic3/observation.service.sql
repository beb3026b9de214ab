-- The service that cares for the patient, from the moment on when it takes over.
-- @reads services? (subject_id, hadm_id, transfertime, curr_service)
SELECT
    source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    curr_service AS observation_source_value,
    'MIMIC-III service' AS source_vocabulary_id,
    transfertime AS observation_datetime,
    curr_service AS value_as_string
FROM services
