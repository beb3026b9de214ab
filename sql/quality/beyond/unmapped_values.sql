-- Source values that have no concept, the most frequent first. Values of few persons are withheld.
-- @reads coded (cdm_table, cdm_field, person_id, concept_id, source_value, source_concept_id)
-- @reads concept? (concept_id, vocabulary_id?)
-- @reads settings (min_cell)
WITH unmapped AS (
    SELECT
        cdm_table,
        cdm_field,
        nullif(source_concept_id, 0) AS source_concept_id,
        source_value,
        count(*) AS records,
        count(DISTINCT person_id) AS persons
    FROM coded
    WHERE coalesce(concept_id, 0) = 0 AND source_value <> ''
    GROUP BY ALL
)
SELECT cdm_table, cdm_field, vocabulary_id AS source_vocabulary_id, source_value, records, persons
FROM settings, unmapped
LEFT JOIN concept ON source_concept_id = concept.concept_id
WHERE persons >= min_cell
ORDER BY records DESC, cdm_table, cdm_field, source_value
