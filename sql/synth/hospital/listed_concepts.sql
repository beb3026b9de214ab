-- The concepts that a policy means: those it lists, what stands below them, and the codes that map to any of these.
-- reads listed (concept_id, with_descendants): as the policy lists them
-- reads concept_ancestor, concept_relationship: of the vocabulary
WITH below AS (
    SELECT concept_id FROM listed
    UNION
    SELECT concept_ancestor.descendant_concept_id
    FROM listed
    JOIN concept_ancestor ON concept_ancestor.ancestor_concept_id = listed.concept_id
    WHERE listed.with_descendants
),
mapped AS (
    SELECT concept_relationship.concept_id_1 AS concept_id
    FROM concept_relationship
    JOIN below ON below.concept_id = concept_relationship.concept_id_2
    WHERE concept_relationship.relationship_id = 'Maps to' AND concept_relationship.concept_id_1 <> 0
)
SELECT concept_id FROM below
UNION
SELECT concept_id FROM mapped
