-- How many rows of a table persons of each group have, and in how many each column has a value.
-- @reads source (person_id)
-- @reads people (person_id, group_number)
WITH grouped AS (
    SELECT people.group_number, source.* EXCLUDE (person_id)
    FROM source
    JOIN people USING (person_id)
)
SELECT group_number, count(*) AS number_of_rows, count(COLUMNS(* EXCLUDE (group_number)))
FROM grouped
GROUP BY group_number
ORDER BY group_number
