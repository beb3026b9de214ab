-- Vaccinations.
-- @reads immunizations? (date, patient, encounter, code, description)
-- @reads _encounters
SELECT
    source_row,
    immunizations.patient AS person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    "date" AS drug_exposure_start_datetime,
    "date" AS drug_exposure_end_datetime,
    code AS drug_source_value,
    'CVX' AS source_vocabulary_id,
    description AS source_code_description,
    32827 AS drug_type_concept_id  -- EHR encounter record
FROM immunizations
LEFT JOIN _encounters ON encounter = encounter_id
