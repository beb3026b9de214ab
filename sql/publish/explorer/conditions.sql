-- Conditions that most persons have
SELECT
    condition_concept_id,
    any_value(condition_source_value) AS such_as,
    count(DISTINCT person_id) AS persons,
    round(100 * persons / (SELECT count(*) FROM person), 1) AS percent
FROM condition_occurrence
GROUP BY condition_concept_id
ORDER BY persons DESC, condition_concept_id
LIMIT 20;
