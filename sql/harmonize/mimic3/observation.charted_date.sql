-- Dates that are charted, such as the day on which a line was put in. Rows marked as errors are set aside.
-- @reads datetimeevents? (subject_id, hadm_id, icustay_id, itemid, charttime, cgid, value, error)
-- @reads d_items? (itemid, label)
SELECT
    datetimeevents.source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    'icustay ' || icustay_id AS visit_detail_id,
    cgid AS provider_id,
    label AS observation_source_value,
    'MIMIC-III item' AS source_vocabulary_id,
    itemid AS source_code,
    label AS source_code_description,
    charttime AS observation_datetime,
    value AS value_as_string,
    value AS value_source_value,
    CASE WHEN TRY_CAST(error AS INTEGER) = 1 THEN 'marked as an error in the chart' END AS set_aside
FROM datetimeevents
LEFT JOIN d_items USING (itemid)
