-- The names that each person's records go by, and the wider name that each counts as when it is too rare. A concept, and
-- a code that no symbol leads, has no wider one but itself.
-- reads record (person, name_id, wider_id, widest_id, mapped_id, value, code, symbol, ...): of records.sql
WITH held AS (
    SELECT DISTINCT person, name_id, wider_id, widest_id, mapped_id, value, code, symbol
    FROM record
)
SELECT
    person,
    name_id,
    coalesce(wider_id, name_id) AS wider_id,
    code,
    CASE WHEN value IS NOT NULL THEN mapped_id END AS concept_id,
    value
FROM held
UNION ALL
SELECT DISTINCT person, wider_id, NULL, symbol, NULL, NULL
FROM held
WHERE wider_id IS NOT NULL
UNION ALL
SELECT DISTINCT person, widest_id, NULL, '', NULL, NULL
FROM held
WHERE widest_id IS NOT NULL
