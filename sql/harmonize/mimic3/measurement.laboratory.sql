-- Laboratory values by the LOINC code of the hospital's list, else by its own item. A limit, such as <0.01, becomes the
-- number and its operator. There are no reference ranges, and the flag (abnormal, delta) has no place in the CDM.
-- @reads labevents? (subject_id, hadm_id, itemid, charttime, value, valuenum, valueuom)
-- @reads d_labitems? (itemid, label, fluid, loinc_code)
WITH result AS (
    SELECT
        *,
        replace(regexp_extract(value, '^\s*(<=|>=|=<|=>|<|>)\s*[0-9.]+\s*$', 1), '=<', '<=') AS limit_sign,
        TRY_CAST(regexp_extract(value, '^\s*[<>=]*\s*([0-9.]+)\s*$', 1) AS DOUBLE) AS limit_value
    FROM labevents
)
SELECT
    result.source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    concat_ws(', ', label, fluid) AS measurement_source_value,
    CASE WHEN loinc_code IS NULL THEN 'MIMIC-III laboratory item' ELSE 'LOINC' END AS source_vocabulary_id,
    coalesce(loinc_code, CAST(itemid AS VARCHAR)) AS source_code,
    concat_ws(', ', label, fluid) AS source_code_description,
    charttime AS measurement_datetime,
    32856 AS measurement_type_concept_id,
    CASE limit_sign
        WHEN '<' THEN 4171756
        WHEN '>' THEN 4172704
        WHEN '<=' THEN 4171754
        WHEN '>=' THEN 4171755
        WHEN '=>' THEN 4171755
    END AS operator_concept_id,
    coalesce(TRY_CAST(valuenum AS DOUBLE), limit_value) AS value_as_number,
    value AS value_source_value,
    'MIMIC-III laboratory value' AS value_vocabulary_id,
    valueuom AS unit_source_value
FROM result
LEFT JOIN d_labitems USING (itemid)
