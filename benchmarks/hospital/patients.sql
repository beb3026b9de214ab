-- Patients with a stay, numbered as in stays.sql: age and ward on admission, and whether they died before its end.
WITH stay AS (
    SELECT
        person_id,
        min(CAST(visit_start_date AS DATE)) AS began,
        arg_min(CAST(visit_end_date AS DATE), visit_start_date) AS ended
    FROM visit_occurrence
    GROUP BY person_id
),
ward AS (
    SELECT person_id, arg_min(visit_detail_source_value, visit_detail_start_date) AS ward
    FROM visit_detail
    GROUP BY person_id
),
died AS (
    SELECT person_id, min(CAST(death_date AS DATE)) AS death
    FROM death
    GROUP BY person_id
)
SELECT
    CAST(year(began) - year_of_birth AS DOUBLE) AS age,
    ward,
    coalesce(death <= ended, false) AS is_dead
FROM stay
JOIN person USING (person_id)
LEFT JOIN ward USING (person_id)
LEFT JOIN died USING (person_id)
ORDER BY person_id
