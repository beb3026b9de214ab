-- Features of images: each says which measurement holds its value. 1147138 is the field measurement.measurement_id.
-- @reads biomarkers or any other
-- @reads _2_cell
-- @reads _3_sample
SELECT
    source_row,
    'feature ' || source_row || ' ' || column_name AS image_feature_id,
    person AS person_id,
    'image ' || source_row AS image_occurrence_id,
    1147138 AS image_feature_event_field_concept_id,
    omopsql.stable_key('measurement ' || source_row || ' ' || column_name) AS image_feature_event_id,
    coalesce(concept_id, 0) AS image_feature_concept_id,
    32880 AS image_feature_type_concept_id
FROM _2_cell
JOIN _3_sample USING (source_row)
WHERE role = 'feature'
