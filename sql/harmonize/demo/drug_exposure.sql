-- Prescriptions, coded in RxNorm or NDC as the column code_system tells.
-- @reads prescriptions (patient_no, stay_no, drug_code, code_system, drug, prescribed_on, days_supply, quantity)
-- @reads prescriptions (route?)
SELECT
    source_row,
    patient_no AS person_id,
    stay_no AS visit_occurrence_id,
    drug_code AS source_code,
    coalesce(drug_code, drug) AS drug_source_value,
    drug AS source_code_description,
    code_system AS source_vocabulary_id,
    prescribed_on AS drug_exposure_start_date,
    days_supply,
    quantity,
    route AS route_source_value,
    'Demo route' AS route_vocabulary_id,
    32838 AS drug_type_concept_id
FROM prescriptions
