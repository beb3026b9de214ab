-- Records without a number, inside observation periods or not.
-- @reads event (value_as_number)
SELECT 'records without a number' AS shape, [] AS strata, NULL AS value, count(*) AS n
FROM event
WHERE value_as_number IS NULL
