-- The vocabularies whose concepts the data use, those with the most concepts first.
-- @reads used (concept_id)
-- @reads concept (concept_id, vocabulary_id), vocabulary (vocabulary_id, vocabulary_name)
WITH counted AS (
    SELECT concept.vocabulary_id, count(*) AS concepts
    FROM (SELECT DISTINCT concept_id FROM used)
    JOIN concept USING (concept_id)
    GROUP BY concept.vocabulary_id
)
SELECT
    counted.vocabulary_id,
    coalesce(any_value(vocabulary.vocabulary_name), counted.vocabulary_id) AS vocabulary_name,
    counted.concepts
FROM counted
LEFT JOIN vocabulary USING (vocabulary_id)
GROUP BY counted.vocabulary_id, counted.concepts
ORDER BY counted.concepts DESC, counted.vocabulary_id
