-- The stay in the hospital, from 2000-01-01 on. It is at least the two days that every record covers, also where its
-- length is missing (-1).
-- @reads set_a (record_id, parameter)
-- @reads outcomes-a? (RecordID, Length_of_stay)
WITH stay AS (
    SELECT TRY_CAST(RecordID AS INTEGER) AS record_id, max(TRY_CAST(Length_of_stay AS INTEGER)) AS days
    FROM "outcomes-a"
    GROUP BY ALL
)
SELECT
    source_row,
    set_a.record_id AS visit_occurrence_id,
    set_a.record_id AS person_id,
    9201 AS visit_concept_id,
    DATE '2000-01-01' AS visit_start_date,
    DATE '2000-01-01' + greatest(days, 2) AS visit_end_date
FROM set_a
LEFT JOIN stay ON TRY_CAST(set_a.record_id AS INTEGER) = stay.record_id
WHERE parameter = 'RecordID'
