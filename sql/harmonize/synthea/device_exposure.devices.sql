-- Implants and aids, with their unique device identifier.
-- @reads devices? (start, stop, patient, encounter, code, description, udi?)
-- @reads _encounters
SELECT
    source_row,
    devices.patient AS person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    start AS device_exposure_start_datetime,
    stop AS device_exposure_end_datetime,
    udi AS unique_device_id,
    code AS device_source_value,
    'SNOMED' AS source_vocabulary_id,
    description AS source_code_description,
    32827 AS device_type_concept_id  -- EHR encounter record
FROM devices
LEFT JOIN _encounters ON encounter = encounter_id
