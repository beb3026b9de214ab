-- Each row of the wide table as a sample: of whom, when, in which visit. What no column tells is told for every row.
-- @reads biomarkers or any other
-- @reads _1_meaning
-- @reads _2_cell
WITH for_all AS (
    SELECT
        max(value) FILTER (WHERE role = 'date') AS date,
        max(value) FILTER (WHERE role = 'sex') AS sex,
        max(value) FILTER (WHERE role = 'birth_year') AS birth_year
    FROM _1_meaning
    WHERE column_name IS NULL
),
told AS (
    SELECT
        source_row,
        max(value) FILTER (WHERE role = 'person') AS person,
        max(value) FILTER (WHERE role = 'visit') AS visit,
        max(value) FILTER (WHERE role = 'date') AS date,
        max(value) FILTER (WHERE role = 'sex') AS sex,
        max(value_concept_id) FILTER (WHERE role = 'sex') AS gender_concept_id,
        max(value) FILTER (WHERE role = 'birth_year') AS birth_year,
        max(value) FILTER (WHERE role = 'birth_date') AS birth_date,
        max(TRY_CAST(value AS DOUBLE)) FILTER (WHERE role = 'age') AS age
    FROM _2_cell
    GROUP BY source_row
)
SELECT
    source_row,
    coalesce(person, 'row ' || source_row) AS person,
    visit,
    coalesce(told.date, for_all.date) AS date,
    coalesce(told.sex, for_all.sex) AS sex,
    gender_concept_id,
    birth_date,
    coalesce(
        TRY_CAST(coalesce(told.birth_year, for_all.birth_year) AS INTEGER),
        year(TRY_CAST(birth_date AS DATE)),
        year(TRY_CAST(left(coalesce(told.date, for_all.date), 10) AS DATE)) - CAST(floor(age) AS INTEGER)
    ) AS birth_year
FROM (SELECT source_row FROM biomarkers) -- its other columns may have any name
CROSS JOIN for_all
LEFT JOIN told USING (source_row)
