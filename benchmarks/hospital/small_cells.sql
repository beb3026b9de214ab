-- Rows of a model that tell of too few persons: numbers of persons below the least, and sums without a large enough
-- number of their persons. That number's key is how the sum's key begins.
WITH width AS (
    SELECT statistic, any_value(len(key)) AS numbers
    FROM model
    GROUP BY statistic
),
telling AS (
    SELECT coalesce(kind, 'drop') AS kind, n, persons, key[:numbers] AS head
    FROM model
    LEFT JOIN rule USING (statistic)
    LEFT JOIN width ON width.statistic = persons
    WHERE kind IS DISTINCT FROM 'keep'
)
SELECT count(*)
FROM telling
LEFT JOIN model AS behind ON telling.kind = 'sum' AND behind.statistic = telling.persons AND behind.key = telling.head
WHERE CASE telling.kind WHEN 'sum' THEN coalesce(behind.n, 0) ELSE telling.n END < $1
