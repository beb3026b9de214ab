-- Reviewed suggestions in the columns of source_to_concept_map: those that are right, kept in a table or file.
-- reviewed names it; it has the columns of suggest_concepts, of which source_code, source_code_description, concept_id
-- and vocabulary_id are read. source_vocabulary is the name of your own that an adapter gives such codes. To save them:
-- COPY (FROM omopsql.accepted_mappings('reviewed_codes', 'LAB')) TO 'my_hospital/source_to_concept_map.csv'.
-- @param reviewed VARCHAR
-- @param source_vocabulary VARCHAR
-- @example SELECT target_concept_id FROM omopsql.accepted_mappings('reviewed_codes', 'LAB') --> 201826
CREATE OR REPLACE MACRO omopsql.accepted_mappings(reviewed, source_vocabulary) AS TABLE
SELECT DISTINCT
    CAST(source_code AS VARCHAR) AS source_code,
    0 AS source_concept_id,
    CAST(source_vocabulary AS VARCHAR) AS source_vocabulary_id,
    CAST(source_code_description AS VARCHAR) AS source_code_description,
    CAST(concept_id AS INTEGER) AS target_concept_id,
    CAST(vocabulary_id AS VARCHAR) AS target_vocabulary_id,
    DATE '1970-01-01' AS valid_start_date,
    DATE '2099-12-31' AS valid_end_date,
    CAST(NULL AS VARCHAR) AS invalid_reason
FROM query_table(reviewed)
ORDER BY source_code, target_concept_id;
