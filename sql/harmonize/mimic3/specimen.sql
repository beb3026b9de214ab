-- Specimens for microbiology: one for a kind of specimen and a moment.
-- @reads microbiologyevents?
-- @reads _cultures
SELECT
    min(source_row) AS source_row,
    specimen AS specimen_id,
    any_value(subject_id) AS person_id,
    any_value(spec_type_desc) AS specimen_source_value,
    'MIMIC-III item' AS source_vocabulary_id,
    any_value(spec_itemid) AS source_code,
    any_value(spec_type_desc) AS source_code_description,
    any_value(taken_on) AS specimen_date,
    any_value(taken_at) AS specimen_datetime
FROM _cultures
GROUP BY specimen
