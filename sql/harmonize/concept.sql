-- The concept of a concept_id in the vocabulary in use: one row, or none when the vocabulary does not have it.
-- @param id INTEGER
-- @example SELECT concept_name FROM omopsql.concept(201826) --> Type 2 diabetes mellitus
CREATE OR REPLACE MACRO omopsql.concept(id) AS TABLE
SELECT *
FROM omopsql.vocabulary.concept
WHERE concept_id = CAST(id AS INTEGER);
