-- Persons with their records, in the order of days: item (table number and concept) and day since birth, not before it
-- and not after the end of observation.
WITH record AS (
    SELECT person_id, 1 AS table_number, condition_concept_id AS concept_id, CAST(condition_start_date AS DATE) AS day
    FROM condition_occurrence
    UNION ALL
    SELECT person_id, 2, drug_concept_id, CAST(drug_exposure_start_date AS DATE) FROM drug_exposure
    UNION ALL
    SELECT person_id, 3, procedure_concept_id, CAST(procedure_date AS DATE) FROM procedure_occurrence
    UNION ALL
    SELECT person_id, 4, measurement_concept_id, CAST(measurement_date AS DATE) FROM measurement
    UNION ALL
    SELECT person_id, 5, observation_concept_id, CAST(observation_date AS DATE) FROM observation
    UNION ALL
    SELECT person_id, 6, visit_concept_id, CAST(visit_start_date AS DATE) FROM visit_occurrence
),
observed AS (
    SELECT person_id, max(CAST(observation_period_end_date AS DATE)) AS last_day
    FROM observation_period
    GROUP BY person_id
),
born AS (
    SELECT
        person_id,
        gender_concept_id,
        race_concept_id,
        coalesce(
            CAST(birth_datetime AS DATE),
            make_date(year_of_birth, coalesce(month_of_birth, 7), coalesce(day_of_birth, 1))
        ) AS birth
    FROM person
),
lived AS (
    SELECT born.*, greatest(date_diff('day', birth, last_day), 1) AS days
    FROM born
    JOIN observed USING (person_id)
),
placed AS (
    SELECT
        person_id,
        table_number,
        CAST(coalesce(concept_id, 0) AS BIGINT) AS concept_id,
        least(greatest(date_diff('day', birth, day), 0), days) AS t
    FROM record
    JOIN lived USING (person_id)
    WHERE day IS NOT NULL
),
history AS (
    SELECT
        person_id,
        list(CAST(table_number AS BIGINT) ORDER BY t, table_number, concept_id) AS table_numbers,
        list(concept_id ORDER BY t, table_number, concept_id) AS concepts,
        list(CAST(t AS BIGINT) ORDER BY t, table_number, concept_id) AS t
    FROM placed
    GROUP BY person_id
)
SELECT
    CAST(coalesce(gender_concept_id = 8507, false) AS BIGINT) AS sex,
    CAST(coalesce(race_concept_id, 0) AS BIGINT) AS race,
    CAST(year(birth) AS BIGINT) AS "by",
    CAST(days AS BIGINT) AS len,
    coalesce(table_numbers, []) AS table_numbers,
    coalesce(concepts, []) AS concepts,
    coalesce(t, []) AS t
FROM lived
LEFT JOIN history USING (person_id)
ORDER BY person_id
