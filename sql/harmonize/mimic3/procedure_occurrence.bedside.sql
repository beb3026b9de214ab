-- What was done at the bedside in intensive care: lines, ventilation, imaging, cultures.
-- @reads procedureevents_mv? (subject_id, hadm_id, icustay_id, starttime, endtime, itemid, cgid, statusdescription)
-- @reads d_items? (itemid, label)
SELECT
    procedureevents_mv.source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    'icustay ' || icustay_id AS visit_detail_id,
    cgid AS provider_id,
    label AS procedure_source_value,
    'MIMIC-III item' AS source_vocabulary_id,
    itemid AS source_code,
    label AS source_code_description,
    starttime AS procedure_datetime,
    endtime AS procedure_end_datetime,
    CASE WHEN statusdescription = 'Rewritten' THEN 'rewritten: another row stands in its place' END AS set_aside
FROM procedureevents_mv
LEFT JOIN d_items USING (itemid)
