-- The imaging that features were computed from: one for each row with a feature, of the concept that the line with the
-- role imaging gives.
-- @reads biomarkers or any other
-- @reads _1_meaning
-- @reads _2_cell
-- @reads _3_sample
SELECT
    source_row,
    'imaging ' || source_row AS procedure_occurrence_id,
    person AS person_id,
    visit AS visit_occurrence_id,
    date AS procedure_date,
    coalesce(imaging.value, 'imaging') AS procedure_source_value,
    imaging.concept_id AS procedure_concept_id,
    CASE WHEN imaging.concept_id IS NULL THEN coalesce(imaging.vocabulary_id, 'biomarkers') END AS source_vocabulary_id,
    coalesce(imaging.code, imaging.value, 'imaging') AS source_code
FROM _3_sample
LEFT JOIN (FROM _1_meaning WHERE role = 'imaging' AND column_name IS NULL) AS imaging ON true
WHERE source_row IN (SELECT source_row FROM _2_cell WHERE role = 'feature')
