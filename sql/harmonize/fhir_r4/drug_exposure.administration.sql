-- Drugs that were given.
-- @reads MedicationAdministration? (resource)
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
    32818 AS drug_type_concept_id,
    omopsql.fhir_datetime(coalesce(resource ->> '$.effectiveDateTime', resource ->> '$.effectivePeriod.start'))
        AS drug_exposure_start_datetime,
    omopsql.fhir_datetime(resource ->> '$.effectivePeriod.end') AS drug_exposure_end_datetime,
    resource ->> '$.dosage.dose.value' AS quantity,
    resource ->> '$.dosage.text' AS sig,
    omopsql.preferred_coding(resource -> '$.dosage.route').code AS route_source_value,
    omopsql.preferred_coding(resource -> '$.dosage.route').vocabulary_id AS route_vocabulary_id,
    coalesce(resource ->> '$.dosage.dose.code', resource ->> '$.dosage.dose.unit') AS dose_unit_source_value,
    set_aside
FROM _medications
WHERE kind = 'MedicationAdministration'
