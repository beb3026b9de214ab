-- Drugs, fluids and nutrition given in intensive care until 2008 (CareVue): moments, with an amount or a rate.
-- @reads inputevents_cv? (subject_id, hadm_id, icustay_id, charttime, itemid, amount, amountuom, rate, rateuom, cgid)
-- @reads inputevents_cv? (stopped, originalroute)
-- @reads d_items? (itemid, label)
SELECT
    inputevents_cv.source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    'icustay ' || icustay_id AS visit_detail_id,
    cgid AS provider_id,
    label AS drug_source_value,
    'MIMIC-III item' AS source_vocabulary_id,
    itemid AS source_code,
    label AS source_code_description,
    charttime AS drug_exposure_start_datetime,
    charttime AS drug_exposure_end_datetime,
    32818 AS drug_type_concept_id,
    TRY_CAST(amount AS DOUBLE) AS quantity,
    amountuom AS dose_unit_source_value,
    rate || ' ' || rateuom AS sig,
    stopped AS stop_reason,
    originalroute AS route_source_value,
    'MIMIC-III route' AS route_vocabulary_id
FROM inputevents_cv
LEFT JOIN d_items USING (itemid)
