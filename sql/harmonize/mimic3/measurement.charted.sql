-- What is charted in intensive care: vital signs, scores, settings, findings. Values marked as errors are set aside.
-- Fractions of oxygen are charted as 0.5 or as 50; here they are all percent.
-- @reads chartevents? (subject_id, hadm_id, icustay_id, itemid, charttime, cgid, value, valuenum, valueuom, error)
-- @reads _items
WITH charted AS (
    SELECT
        chartevents.*,
        label,
        vocabulary_id,
        code,
        TRY_CAST(valuenum AS DOUBLE) AS number,
        coalesce(loinc_code = '19994-3', false) AS is_oxygen_fraction
    FROM chartevents
    LEFT JOIN _items USING (itemid)
)
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
    CASE WHEN is_oxygen_fraction AND number <= 1 THEN 100 * number ELSE number END AS value_as_number,
    value AS value_source_value,
    CASE WHEN is_oxygen_fraction THEN '%' ELSE replace(valueuom, '?', '°') END AS unit_source_value,
    CASE WHEN TRY_CAST(error AS INTEGER) = 1 THEN 'marked as an error in the chart' END AS set_aside
FROM charted
