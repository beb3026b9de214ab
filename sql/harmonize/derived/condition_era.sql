-- Spans of time in which a person is taken to have a condition: records of the same concept, joined where the next one
-- starts at most 30 days after the end of all before it. A record without an end lasts until the next day. Records
-- without a standard concept make no era.
-- @reads condition_occurrence (person_id, condition_concept_id, condition_start_date, condition_end_date)
WITH settings (gap) AS (VALUES (30)),
record AS (
    SELECT
        person_id,
        condition_concept_id,
        condition_start_date AS start_date,
        greatest(coalesce(condition_end_date, condition_start_date + 1), condition_start_date) AS end_date
    FROM condition_occurrence
    WHERE condition_concept_id <> 0
),
opening AS (
    SELECT
        record.*,
        start_date > gap + max(end_date) OVER (
            PARTITION BY person_id, condition_concept_id ORDER BY start_date, end_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS opens_era
    FROM record, settings
),
member AS (
    SELECT
        *,
        count(*) FILTER (WHERE opens_era) OVER (
            PARTITION BY person_id, condition_concept_id ORDER BY start_date, end_date ROWS UNBOUNDED PRECEDING
        ) AS era
    FROM opening
),
era AS (
    SELECT
        person_id,
        condition_concept_id,
        min(start_date) AS condition_era_start_date,
        max(end_date) AS condition_era_end_date,
        CAST(count(*) AS INTEGER) AS condition_occurrence_count
    FROM member
    GROUP BY person_id, condition_concept_id, era
)
SELECT row_number() OVER (ORDER BY person_id, condition_concept_id, condition_era_start_date) AS condition_era_id, *
FROM era
ORDER BY condition_era_id
