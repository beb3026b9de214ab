-- Conditions that most persons have, by name
SELECT concept_name, count(DISTINCT person_id) AS persons
FROM condition_occurrence
JOIN concept ON concept_id = condition_concept_id
GROUP BY concept_name
ORDER BY persons DESC, concept_name
LIMIT 20;
