-- Supplies that are used up, such as gloves and test strips.
-- @reads supplies? (date, patient, encounter, code, description, quantity)
-- @reads _encounters
SELECT
    source_row,
    supplies.patient AS person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    "date" AS device_exposure_start_datetime,
    "date" AS device_exposure_end_datetime,
    quantity,
    code AS device_source_value,
    'SNOMED' AS source_vocabulary_id,
    description AS source_code_description,
    32827 AS device_type_concept_id  -- EHR encounter record
FROM supplies
LEFT JOIN _encounters ON encounter = encounter_id
