-- Which vocabularies the concepts of each field come from, year by year. Concept 0 has the vocabulary None; a concept
-- that the vocabulary does not have has none, NULL.
-- @reads used (cdm_table, cdm_field, year, concept_id, n)
-- @reads concept? (concept_id, vocabulary_id?)
-- @reads settings (min_cell)
WITH of_vocabulary AS (
    SELECT
        cdm_table,
        cdm_field,
        CASE WHEN used.concept_id = 0 THEN 'None' ELSE vocabulary_id END AS vocabulary_id,
        year,
        CAST(sum(n) AS BIGINT) AS records
    FROM used
    LEFT JOIN concept ON used.concept_id = concept.concept_id
    GROUP BY ALL
),
shared AS (
    SELECT *, records / sum(records) OVER (PARTITION BY cdm_table, cdm_field, year) AS share
    FROM of_vocabulary
)
SELECT cdm_table, cdm_field, vocabulary_id, CAST(year AS BIGINT) AS year, records, share
FROM shared, settings
WHERE records >= min_cell
ORDER BY cdm_table, cdm_field, year, records DESC, vocabulary_id
