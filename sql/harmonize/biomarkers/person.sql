-- The persons whose samples these are.
-- @reads biomarkers or any other
-- @reads _3_sample
WITH person AS (
    SELECT
        min(source_row) AS source_row,
        person,
        max(sex) AS sex,
        max(gender_concept_id) AS gender_concept_id,
        min(birth_year) AS birth_year,
        min(TRY_CAST(birth_date AS DATE)) AS birth_date
    FROM _3_sample
    GROUP BY person
)
SELECT
    source_row,
    person AS person_id,
    person AS person_source_value,
    birth_year AS year_of_birth,
    month(birth_date) AS month_of_birth,
    day(birth_date) AS day_of_birth,
    sex AS gender_source_value,
    coalesce(
        gender_concept_id,
        CASE WHEN sex ILIKE 'f%' OR sex ILIKE 'w%' THEN 8532 WHEN sex ILIKE 'm%' THEN 8507 ELSE 0 END
    ) AS gender_concept_id,
    CASE WHEN birth_year IS NULL THEN 'no year of birth: no role birth_year, birth_date or age' END AS set_aside
FROM person
