-- Deaths. A patient who is said to be dead, without a date, is set aside here and stays in person.
-- @reads Patient (resource)
SELECT
    source_row,
    resource ->> '$.id' AS person_id,
    omopsql.fhir_datetime(resource ->> '$.deceasedDateTime') AS death_datetime
FROM Patient
WHERE (resource ->> '$.deceasedDateTime') IS NOT NULL OR (resource ->> '$.deceasedBoolean') = 'true'
