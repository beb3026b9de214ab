-- The drug that each record of a medication names: by its code, or by the Medication it refers to or contains.
-- @reads MedicationRequest? (resource)
-- @reads MedicationAdministration? (resource)
-- @reads MedicationDispense? (resource)
-- @reads MedicationStatement? (resource)
-- @reads Medication? (resource)
-- @reads _encounters
WITH record AS (
    SELECT 'MedicationRequest' AS kind, source_row, resource FROM MedicationRequest
    UNION ALL
    SELECT 'MedicationAdministration' AS kind, source_row, resource FROM MedicationAdministration
    UNION ALL
    SELECT 'MedicationDispense' AS kind, source_row, resource FROM MedicationDispense
    UNION ALL
    SELECT 'MedicationStatement' AS kind, source_row, resource FROM MedicationStatement
),
medication AS (
    SELECT resource ->> '$.id' AS medication_id, arg_min(resource -> '$.code', source_row) AS code
    FROM Medication
    GROUP BY ALL
),
referred AS (
    SELECT
        *,
        resource ->> '$.medicationReference.reference' AS reference,
        omopsql.fhir_reference(resource ->> '$.medicationReference.reference') AS medication_id,
        omopsql.fhir_reference(coalesce(resource ->> '$.encounter.reference', resource ->> '$.context.reference'))
            AS encounter_id
    FROM record
)
SELECT
    r.kind,
    r.source_row,
    r.resource,
    omopsql.fhir_reference(r.resource ->> '$.subject.reference', resource_type := 'Patient') AS person_id,
    coalesce(e.visit_occurrence_id, r.encounter_id) AS visit_occurrence_id,
    e.visit_detail_id,
    omopsql.preferred_coding(coalesce(
        r.resource -> '$.medicationCodeableConcept',
        list_filter(json_extract(r.resource, '$.contained[*]'), lambda c: '#' || (c ->> '$.id') = r.reference)[1]
            -> '$.code',
        m.code
    )) AS coding,
    CASE r.resource ->> '$.status'
        WHEN 'entered-in-error' THEN 'entered in error'
        WHEN 'not-done' THEN 'not done'
        WHEN 'not-taken' THEN 'not taken'
        WHEN 'cancelled' THEN 'cancelled'
        WHEN 'declined' THEN 'declined'
        WHEN 'draft' THEN 'draft'
        WHEN 'preparation' THEN 'planned, not begun'
        ELSE CASE WHEN (r.resource ->> '$.doNotPerform') = 'true' THEN 'asks not to give the drug' END
    END AS set_aside
FROM referred AS r
LEFT JOIN medication AS m ON r.medication_id = m.medication_id
LEFT JOIN _encounters AS e ON r.encounter_id = e.encounter_id
