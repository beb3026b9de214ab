-- The concepts below a concept in the hierarchy of the vocabulary in use, itself among them (level 0), nearest first.
-- Such a list defines a phenotype: everything that is a diabetes, every drug with this ingredient.
-- @param concept_id INTEGER
-- @example SELECT concept_name FROM omopsql.descendants(1503297) WHERE concept_id <> 1503297 --> 24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet
CREATE OR REPLACE MACRO omopsql.descendants(concept_id) AS TABLE
SELECT
    below.descendant_concept_id AS concept_id,
    described.* EXCLUDE (concept_id),
    below.min_levels_of_separation,
    below.max_levels_of_separation
FROM omopsql.vocabulary.concept_ancestor AS below
LEFT JOIN omopsql.vocabulary.concept AS described ON described.concept_id = below.descendant_concept_id
WHERE below.ancestor_concept_id = CAST(concept_id AS INTEGER)
ORDER BY below.min_levels_of_separation, below.descendant_concept_id;
