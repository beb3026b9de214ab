-- Days from death to a person's last record: negative when the record came first.
-- @reads event (person_id, start_date)
-- @reads death (person_id, death_date)
WITH last_record AS (
    SELECT person_id, max(start_date) AS last_day
    FROM event
    GROUP BY person_id
)
SELECT 'days from death to last record' AS shape, [] AS strata, last_day - death_date AS value, count(*) AS n
FROM death
JOIN last_record USING (person_id)
WHERE last_day IS NOT NULL AND death_date IS NOT NULL
GROUP BY ALL
