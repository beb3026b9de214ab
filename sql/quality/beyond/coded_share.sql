-- How many records have no concept for their source value, by field, vocabulary of the source value and type of record.
-- Unmapped is what has concept 0 or none. A unit, a route or a gender that the source does not tell is no part of it;
-- what an event is must be told.
-- @reads coded (cdm_table, cdm_field, is_event, concept_id, source_value, source_concept_id, type_concept_id)
-- @reads concept? (concept_id, concept_name?, vocabulary_id?)
-- @reads settings (min_cell)
WITH counted AS (
    SELECT
        cdm_table,
        cdm_field,
        nullif(source_concept_id, 0) AS source_concept_id,
        type_concept_id,
        count(*) AS records,
        count(*) FILTER (WHERE coalesce(concept_id, 0) = 0) AS unmapped
    FROM coded
    WHERE is_event OR concept_id <> 0 OR source_value <> ''
    GROUP BY ALL
),
of_vocabulary AS (
    SELECT
        cdm_table,
        cdm_field,
        source.vocabulary_id AS source_vocabulary_id,
        type_concept_id,
        CAST(sum(records) AS BIGINT) AS records,
        CAST(sum(unmapped) AS BIGINT) AS unmapped
    FROM counted
    LEFT JOIN concept AS source ON source_concept_id = source.concept_id
    GROUP BY ALL
)
SELECT
    cdm_table,
    cdm_field,
    source_vocabulary_id,
    CAST(type_concept_id AS BIGINT) AS type_concept_id,
    type.concept_name AS type_concept_name,
    records,
    unmapped,
    unmapped / records AS unmapped_share
FROM settings, of_vocabulary
LEFT JOIN concept AS type ON type_concept_id = type.concept_id
WHERE records >= min_cell
ORDER BY unmapped DESC, cdm_table, cdm_field, source_vocabulary_id, type_concept_id
