-- Persons and notes by type of note.
-- @reads note (person_id, note_type_concept_id)
SELECT 'persons by note type' AS shape, [note_type_concept_id] AS strata, NULL AS value, count(DISTINCT person_id) AS n
FROM note
GROUP BY ALL
UNION ALL
SELECT 'notes by type', [note_type_concept_id], NULL, count(*)
FROM note
GROUP BY ALL
