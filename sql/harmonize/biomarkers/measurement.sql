-- The biomarkers: one measurement for each filled cell of a column with the role measurement or feature.
-- A limit, such as <0.5, becomes the number and its operator; a text stays a text, or has the concept that mapping.csv
-- gives for it.
-- @reads biomarkers or any other
-- @reads _2_cell
-- @reads _3_sample
SELECT
    source_row,
    'measurement ' || source_row || ' ' || column_name AS measurement_id,
    person AS person_id,
    visit AS visit_occurrence_id,
    date AS measurement_date,
    TRY_CAST(date AS TIMESTAMP) AS measurement_datetime,
    spelled AS measurement_source_value,
    concept_id AS measurement_concept_id,
    CASE WHEN concept_id IS NULL THEN coalesce(vocabulary_id, 'biomarkers') END AS source_vocabulary_id,
    coalesce(code, spelled) AS source_code,
    spelled AS source_code_description,
    CASE regexp_extract(value, '^(<=|>=|<|>)\s*[0-9.]+$', 1)
        WHEN '<' THEN 4171756
        WHEN '>' THEN 4172704
        WHEN '<=' THEN 4171754
        WHEN '>=' THEN 4171755
    END AS operator_concept_id,
    TRY_CAST(ltrim(value, '<>= ') AS DOUBLE) AS value_as_number,
    value_concept_id AS value_as_concept_id,
    value AS value_source_value,
    unit AS unit_source_value
FROM _2_cell
JOIN _3_sample USING (source_row)
WHERE role IN ('measurement', 'feature')
