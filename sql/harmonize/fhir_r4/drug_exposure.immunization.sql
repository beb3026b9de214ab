-- Vaccines that were given.
-- @reads Immunization? (resource)
-- @reads _encounters
WITH immunization AS (
    SELECT
        source_row,
        resource,
        omopsql.preferred_coding(resource -> '$.vaccineCode') AS coding,
        omopsql.fhir_reference(resource ->> '$.encounter.reference') AS encounter_id
    FROM Immunization
)
SELECT
    i.source_row,
    omopsql.fhir_reference(i.resource ->> '$.patient.reference', resource_type := 'Patient') AS person_id,
    coalesce(e.visit_occurrence_id, i.encounter_id) AS visit_occurrence_id,
    e.visit_detail_id,
    omopsql.fhir_reference(i.resource ->> '$.performer[0].actor.reference', resource_type := 'Practitioner')
        AS provider_id,
    i.coding.code AS drug_source_value,
    i.coding.vocabulary_id AS source_vocabulary_id,
    i.coding.name AS source_code_description,
    32818 AS drug_type_concept_id,
    omopsql.fhir_datetime(i.resource ->> '$.occurrenceDateTime') AS drug_exposure_start_datetime,
    i.resource ->> '$.doseQuantity.value' AS quantity,
    i.resource ->> '$.lotNumber' AS lot_number,
    omopsql.preferred_coding(i.resource -> '$.route').code AS route_source_value,
    omopsql.preferred_coding(i.resource -> '$.route').vocabulary_id AS route_vocabulary_id,
    CASE i.resource ->> '$.status'
        WHEN 'entered-in-error' THEN 'entered in error'
        WHEN 'not-done' THEN 'not done'
    END AS set_aside
FROM immunization AS i
LEFT JOIN _encounters AS e ON i.encounter_id = e.encounter_id
