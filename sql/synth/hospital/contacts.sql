-- The visits of people, numbered from 0 in each person in the order of their start.
-- reads visit_occurrence: as the CDM declares it
-- reads people (person_id, person, birth, first_day, last_day, death_day): of people.sql, numbered from 0
WITH one_visit AS (
    SELECT DISTINCT ON (visit_occurrence_id) *
    FROM visit_occurrence
    WHERE visit_occurrence_id IS NOT NULL AND visit_start_date IS NOT NULL
    ORDER BY visit_occurrence_id, person_id, visit_start_date, visit_end_date
),
dated AS (
    SELECT
        one_visit.visit_occurrence_id,
        people.person,
        people.death_day,
        one_visit.visit_concept_id,
        one_visit.visit_end_date,
        CAST(one_visit.visit_start_date - DATE '1970-01-01' AS INTEGER) - people.birth AS start_day,
        people.first_day,
        people.last_day
    FROM one_visit
    JOIN people USING (person_id)
)
SELECT
    visit_occurrence_id,
    person,
    CAST(greatest(least(start_day, last_day), first_day) AS INTEGER) AS day,
    CAST(
        row_number() OVER (
            PARTITION BY person ORDER BY start_day, visit_concept_id, visit_end_date, visit_occurrence_id
        ) - 1 AS INTEGER
    ) AS contact
FROM dated
WHERE death_day < 0 OR start_day <= death_day
