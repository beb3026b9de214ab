-- Samples of tumours.
-- @reads data_clinical_sample? (PATIENT_ID, SAMPLE_ID)
-- @reads _samples
SELECT
    source_row,
    sample_id AS specimen_id,
    patient_id AS person_id,
    4048506 AS specimen_concept_id,
    32879 AS specimen_type_concept_id,
    taken AS specimen_date,
    sample_id AS specimen_source_id,
    'tumour tissue' AS specimen_source_value,
    sample_site AS anatomic_site_source_value,
    sample_type AS disease_status_source_value
FROM _samples
