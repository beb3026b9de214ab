-- The standard concept that a code of a vocabulary leads to: the concept itself where it is standard, else what it
-- `Maps to`, also after a replacement. The code may be spelled as omopsql.clean_code allows. The lowest concept_id where
-- there are several (omopsql.vocabulary.code_map has them all); NULL where there is none.
-- @param vocabulary VARCHAR
-- @param code VARCHAR
-- @returns INTEGER
-- @example SELECT omopsql.standard_concept('ICD10CM', 'e119') --> 201826
-- @example SELECT omopsql.standard_concept('ICD10CM', 'no such code') --> None
CREATE OR REPLACE MACRO omopsql.standard_concept(vocabulary, code) AS (
    SELECT min(known.target_concept_id)
    FROM omopsql.vocabulary.code_map AS known
    WHERE known.vocabulary_id = vocabulary AND known.clean_code = omopsql.clean_code(code, vocabulary)
);
