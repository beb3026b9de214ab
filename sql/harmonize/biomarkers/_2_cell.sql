-- Each filled cell of the wide table and the meaning of its column. A column that no line of mapping.csv names has the
-- role of the line *, or is a measurement.
-- @reads biomarkers or any other
-- @reads _1_meaning
WITH cell AS (
    SELECT source_row, column_name AS spelled, lower(trim(column_name)) AS column_name, trim(value) AS value
    FROM (
        UNPIVOT (SELECT source_row, COLUMNS(* EXCLUDE (source_row))::VARCHAR FROM biomarkers)
        ON COLUMNS(* EXCLUDE (source_row))
        INTO NAME column_name VALUE value
    )
    WHERE trim(value) NOT IN ('', 'NA', 'N/A', 'NaN', 'nan', 'NULL')
),
of_column AS (FROM _1_meaning WHERE column_name IS NOT NULL AND value IS NULL),
of_value AS (FROM _1_meaning WHERE column_name IS NOT NULL AND value IS NOT NULL),
of_others AS (SELECT max(role) AS role FROM _1_meaning WHERE column_name = '*')
SELECT
    cell.*,
    coalesce(of_value.role, of_column.role, of_others.role, 'measurement') AS role,
    of_column.vocabulary_id,
    of_column.code,
    of_column.concept_id,
    of_column.unit,
    of_value.vocabulary_id AS value_vocabulary_id,
    of_value.code AS value_code,
    of_value.concept_id AS value_concept_id
FROM cell
CROSS JOIN of_others
LEFT JOIN of_column USING (column_name)
LEFT JOIN of_value ON cell.column_name = of_value.column_name AND cell.value = of_value.value
