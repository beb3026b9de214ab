-- Patients: one for each record. There are no dates in the challenge, only ages (90 stands for all above 89) and times
-- since admission. Here everyone is admitted on 2000-01-01 at 00:00, and born as many years before.
-- @reads set_a (record_id, parameter, value)
WITH age AS (
    SELECT record_id, max(TRY_CAST(value AS DOUBLE)) AS years
    FROM set_a
    WHERE parameter = 'Age'
    GROUP BY record_id
)
SELECT
    source_row,
    record_id AS person_id,
    record_id AS person_source_value,
    2000 - CAST(years AS INTEGER) AS year_of_birth,
    CASE TRY_CAST(value AS INTEGER) WHEN 0 THEN 8532 WHEN 1 THEN 8507 ELSE 0 END AS gender_concept_id,
    CAST(TRY_CAST(value AS INTEGER) AS VARCHAR) AS gender_source_value
FROM set_a
LEFT JOIN age USING (record_id)
WHERE parameter = 'Gender'
