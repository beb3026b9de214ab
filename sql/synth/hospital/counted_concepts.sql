-- The concepts of each person that are counted when noise is added: at most so many, chosen by a hash for each person.
-- Unmapped records have none. A concept in two units is two.
-- reads held (person_id, table_number, concept_id, unit_id): the concepts that persons have a record of
-- reads limits (most): how many concepts of a person are counted
WITH distinct_concept AS (
    SELECT DISTINCT person_id, table_number, concept_id, coalesce(unit_id, 0) AS unit_id
    FROM held
    WHERE concept_id > 0
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY person_id
            ORDER BY md5(concat_ws(' ', person_id, table_number, concept_id, unit_id)), table_number, concept_id, unit_id
        ) AS place
    FROM distinct_concept
)
SELECT ranked.* EXCLUDE (place)
FROM ranked, limits
WHERE place <= most
