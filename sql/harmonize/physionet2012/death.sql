-- Deaths, as days after admission: in the hospital or later.
-- @reads outcomes-a? (RecordID, Survival)
SELECT
    source_row,
    RecordID AS person_id,
    DATE '2000-01-01' + TRY_CAST(Survival AS INTEGER) AS death_date
FROM "outcomes-a"
WHERE TRY_CAST(Survival AS INTEGER) >= 0
