-- Drugs that were handed over.
-- @reads MedicationDispense? (resource)
-- @reads _medications
SELECT
    source_row,
    person_id,
    visit_occurrence_id,
    visit_detail_id,
    omopsql.fhir_reference(resource ->> '$.performer[0].actor.reference', resource_type := 'Practitioner')
        AS provider_id,
    coding.code AS drug_source_value,
    coding.vocabulary_id AS source_vocabulary_id,
    coding.name AS source_code_description,
    32825 AS drug_type_concept_id,
    omopsql.fhir_datetime(coalesce(resource ->> '$.whenHandedOver', resource ->> '$.whenPrepared'))
        AS drug_exposure_start_datetime,
    resource ->> '$.quantity.value' AS quantity,
    resource ->> '$.daysSupply.value' AS days_supply,
    resource ->> '$.dosageInstruction[0].text' AS sig,
    omopsql.preferred_coding(resource -> '$.dosageInstruction[0].route').code AS route_source_value,
    omopsql.preferred_coding(resource -> '$.dosageInstruction[0].route').vocabulary_id AS route_vocabulary_id,
    set_aside
FROM _medications
WHERE kind = 'MedicationDispense'
