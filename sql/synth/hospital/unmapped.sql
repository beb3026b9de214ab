-- The records of rare concepts as if they were unmapped: for the symbols that lead their source's codes.
-- reads source (concept_id, ...): the records of one table
-- reads rare (concept_id): concepts of the table
SELECT
    source.* REPLACE (0 AS concept_id),
    source.concept_id AS rare_concept_id
FROM source
SEMI JOIN rare ON rare.concept_id = source.concept_id
