-- Prescriptions, by NDC where there is one, else by the name of the drug. Only days are told.
-- @reads prescriptions? (subject_id, hadm_id, icustay_id, startdate, enddate, drug, ndc, prod_strength?)
-- @reads prescriptions? (dose_val_rx?, dose_unit_rx?, form_val_disp?, form_unit_disp?, route)
WITH prescription AS (
    SELECT *, nullif(ltrim(ndc, '0'), '') IS NOT NULL AS has_ndc
    FROM prescriptions
)
SELECT
    source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    'icustay ' || icustay_id AS visit_detail_id,
    drug AS drug_source_value,
    CASE WHEN has_ndc THEN 'NDC' ELSE 'MIMIC-III drug' END AS source_vocabulary_id,
    CASE WHEN has_ndc THEN ndc ELSE lower(drug) END AS source_code,
    concat_ws(', ', drug, prod_strength) AS source_code_description,
    CAST(TRY_CAST(startdate AS TIMESTAMP) AS DATE) AS drug_exposure_start_date,
    CAST(TRY_CAST(enddate AS TIMESTAMP) AS DATE) AS drug_exposure_end_date,
    32838 AS drug_type_concept_id,
    TRY_CAST(form_val_disp AS DOUBLE) AS quantity,
    form_unit_disp AS dose_unit_source_value,
    concat_ws(' ', dose_val_rx, dose_unit_rx) AS sig,
    route AS route_source_value,
    'MIMIC-III route' AS route_vocabulary_id
FROM prescription
