-- What mapping.csv says: of a column (a line without value), of all other columns (column *), of one value of a column
-- (a line with both), of every row (a line without column).
-- @reads mapping (column, role, value?, vocabulary_id?, code?, concept_id?, unit?)
SELECT
    lower(trim("column")) AS column_name,
    lower(trim(role)) AS role,
    trim(value) AS value,
    vocabulary_id,
    code,
    TRY_CAST(concept_id AS INTEGER) AS concept_id,
    unit
FROM mapping
