-- Diagnoses: columns of codes, or values that mean a disease. A value whose line has the role ignore means none.
-- @reads biomarkers or any other
-- @reads _2_cell
-- @reads _3_sample
SELECT
    source_row,
    person AS person_id,
    visit AS visit_occurrence_id,
    date AS condition_start_date,
    left(spelled || ' ' || value, 50) AS condition_source_value,
    value_concept_id AS condition_concept_id,
    CASE WHEN value_concept_id IS NULL THEN coalesce(value_vocabulary_id, vocabulary_id, 'biomarkers') END
        AS source_vocabulary_id,
    coalesce(value_code, CASE WHEN vocabulary_id IS NULL THEN spelled || ' ' || value ELSE value END) AS source_code
FROM _2_cell
JOIN _3_sample USING (source_row)
WHERE role = 'diagnosis'
