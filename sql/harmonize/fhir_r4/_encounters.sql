-- The visit of every encounter. An encounter that is part of another is a detail of the outermost one's visit.
-- Encounters that are part of each other in a circle are left out, and are visits of their own.
-- @reads Encounter? (resource)
WITH RECURSIVE encounter AS (
    SELECT DISTINCT
        resource ->> '$.id' AS encounter_id,
        omopsql.fhir_reference(resource ->> '$.partOf.reference') AS part_of
    FROM Encounter
),
outermost AS (
    SELECT encounter_id
    FROM encounter
    WHERE part_of IS NULL OR part_of NOT IN (SELECT encounter_id FROM encounter WHERE encounter_id IS NOT NULL)
),
nested AS (
    SELECT
        encounter_id,
        encounter_id AS visit_occurrence_id,
        CAST(NULL AS VARCHAR) AS visit_detail_id,
        CAST(NULL AS VARCHAR) AS parent_visit_detail_id
    FROM outermost
    UNION
    SELECT
        encounter.encounter_id,
        nested.visit_occurrence_id,
        encounter.encounter_id AS visit_detail_id,
        nested.visit_detail_id AS parent_visit_detail_id
    FROM encounter
    JOIN nested ON encounter.part_of = nested.encounter_id
)
SELECT DISTINCT ON (encounter_id) *
FROM nested
ORDER BY ALL
