-- Diagnoses and findings: SNOMED CT, or ICD-10-CM where the export says so.
-- @reads conditions (start, stop, patient, encounter, code, description, system?)
-- @reads _encounters
SELECT
    source_row,
    conditions.patient AS person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    start AS condition_start_date,
    stop AS condition_end_date,
    code AS condition_source_value,
    CASE WHEN system ILIKE '%ICD%10%' THEN 'ICD10CM' ELSE 'SNOMED' END AS source_vocabulary_id,
    description AS source_code_description,
    32827 AS condition_type_concept_id  -- EHR encounter record
FROM conditions
LEFT JOIN _encounters ON encounter = encounter_id
