-- The hundred concepts that most persons have, with their codes.
-- @reads had (concept_id, persons)
-- @reads concept (concept_id, vocabulary_id, concept_code, concept_name)
SELECT concept_id, concept.vocabulary_id, concept.concept_code, concept.concept_name, had.persons
FROM had
JOIN concept USING (concept_id)
ORDER BY had.persons DESC, concept_id
LIMIT 100
