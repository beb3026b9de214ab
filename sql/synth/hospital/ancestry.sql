-- The standard ancestors of rare concepts in their own domain, a few levels up: what they may count as.
-- reads rare (concept_id): concepts of one table
-- reads concept, concept_ancestor: of the vocabulary
SELECT
    rare.concept_id,
    above.concept_id AS ancestor_concept_id,
    min(concept_ancestor.min_levels_of_separation) AS levels
FROM rare
JOIN concept AS below ON below.concept_id = rare.concept_id
JOIN concept_ancestor ON concept_ancestor.descendant_concept_id = rare.concept_id
JOIN concept AS above ON above.concept_id = concept_ancestor.ancestor_concept_id
WHERE
    concept_ancestor.min_levels_of_separation BETWEEN 1 AND 4
    AND above.domain_id = below.domain_id
    AND above.standard_concept = 'S'
GROUP BY ALL
ORDER BY ALL
