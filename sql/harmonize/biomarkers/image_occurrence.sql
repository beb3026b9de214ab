-- The images that features were computed from, one for each row. Columns with the roles study and series name them.
-- @reads biomarkers or any other
-- @reads _1_meaning
-- @reads _2_cell
-- @reads _3_sample
WITH image AS (
    SELECT
        source_row,
        coalesce(max(value) FILTER (WHERE role = 'study'), 'row ' || source_row) AS study,
        coalesce(max(value) FILTER (WHERE role = 'series'), 'row ' || source_row) AS series
    FROM _2_cell
    GROUP BY source_row
    HAVING bool_or(role = 'feature')
)
SELECT
    source_row,
    'image ' || source_row AS image_occurrence_id,
    person AS person_id,
    'imaging ' || source_row AS procedure_occurrence_id,
    visit AS visit_occurrence_id,
    date AS image_occurrence_date,
    study AS image_study_uid,
    series AS image_series_uid,
    coalesce(modality.concept_id, 0) AS modality_concept_id
FROM image
JOIN _3_sample USING (source_row)
LEFT JOIN (FROM _1_meaning WHERE role = 'modality' AND column_name IS NULL) AS modality ON true
