-- Fluids that leave the patient: urine, drains, stool. Rows marked as errors are set aside.
-- @reads outputevents? (subject_id, hadm_id, icustay_id, charttime, itemid, value, valueuom, cgid, iserror?)
-- @reads _items
SELECT
    source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    'icustay ' || icustay_id AS visit_detail_id,
    cgid AS provider_id,
    label AS measurement_source_value,
    vocabulary_id AS source_vocabulary_id,
    code AS source_code,
    label AS source_code_description,
    charttime AS measurement_datetime,
    value AS value_as_number,
    value AS value_source_value,
    valueuom AS unit_source_value,
    CASE WHEN TRY_CAST(iserror AS INTEGER) = 1 THEN 'marked as an error in the chart' END AS set_aside
FROM outputevents
LEFT JOIN _items USING (itemid)
