-- The visits that a column with the role visit names, from the first to the last sample of each.
-- @reads biomarkers or any other
-- @reads _3_sample
SELECT
    min(source_row) AS source_row,
    visit AS visit_occurrence_id,
    min(person) AS person_id,
    9202 AS visit_concept_id,
    visit AS visit_source_value,
    min(date) AS visit_start_date,
    max(date) AS visit_end_date
FROM _3_sample
WHERE visit IS NOT NULL
GROUP BY visit
