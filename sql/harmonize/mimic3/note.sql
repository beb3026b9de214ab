-- Notes. The demo has none. Notes marked as errors are set aside.
-- @reads noteevents? (subject_id, hadm_id, chartdate, charttime, cgid, category, description, iserror, text)
SELECT
    source_row,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    cgid AS provider_id,
    CAST(TRY_CAST(chartdate AS TIMESTAMP) AS DATE) AS note_date,
    charttime AS note_datetime,
    32817 AS note_type_concept_id,
    description AS note_title,
    text AS note_text,
    trim(category) AS note_source_value,
    CASE WHEN TRY_CAST(iserror AS INTEGER) = 1 THEN 'marked as an error in the chart' END AS set_aside
FROM noteevents
