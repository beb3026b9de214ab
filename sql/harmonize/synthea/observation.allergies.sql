-- Allergies. One to a medication is an allergy to a drug, and the drug is its value: it is no exposure.
-- @reads allergies? (start, patient, encounter, code, description, category?)
-- @reads _encounters
WITH allergy AS (
    SELECT *, CASE WHEN category = 'medication' THEN code END AS drug_code FROM allergies
)
SELECT
    source_row,
    allergy.patient AS person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    start AS observation_date,
    code AS observation_source_value,
    'SNOMED' AS source_vocabulary_id,
    CASE WHEN drug_code IS NULL THEN code ELSE '416098002' END AS source_code,  -- SNOMED CT: allergy to drug
    CASE WHEN drug_code IS NULL THEN description ELSE 'Allergy to drug' END AS source_code_description,
    drug_code AS value_source_value,
    'RxNorm' AS value_vocabulary_id,
    description AS value_as_string,
    32827 AS observation_type_concept_id  -- EHR encounter record
FROM allergy
LEFT JOIN _encounters ON encounter = encounter_id
