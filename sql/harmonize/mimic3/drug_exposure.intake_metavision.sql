-- Drugs, fluids and nutrition given in intensive care from 2008 on (MetaVision): when, how much, how fast.
-- @reads inputevents_mv? (subject_id, hadm_id, icustay_id, starttime, endtime, itemid, amount, amountuom, rate)
-- @reads inputevents_mv? (rateuom, cgid, ordercategorydescription, statusdescription)
-- @reads d_items? (itemid, label)
SELECT
    inputevents_mv.source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    'icustay ' || icustay_id AS visit_detail_id,
    cgid AS provider_id,
    label AS drug_source_value,
    'MIMIC-III item' AS source_vocabulary_id,
    itemid AS source_code,
    label AS source_code_description,
    starttime AS drug_exposure_start_datetime,
    endtime AS drug_exposure_end_datetime,
    32818 AS drug_type_concept_id,
    TRY_CAST(amount AS DOUBLE) AS quantity,
    amountuom AS dose_unit_source_value,
    rate || ' ' || rateuom AS sig,
    ordercategorydescription AS route_source_value,
    'MIMIC-III route' AS route_vocabulary_id,
    CASE WHEN statusdescription = 'Rewritten' THEN 'rewritten: another row stands in its place' END AS set_aside
FROM inputevents_mv
LEFT JOIN d_items USING (itemid)
