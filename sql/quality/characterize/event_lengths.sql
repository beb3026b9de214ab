-- Days from the start of a record to its end, by concept, inside observation periods.
-- @reads observed_event (concept_id, start_date, end_date)
SELECT 'days by concept' AS shape, [concept_id] AS strata, end_date - start_date AS value, count(*) AS n
FROM observed_event
WHERE in_period AND end_date IS NOT NULL
GROUP BY concept_id, end_date - start_date
