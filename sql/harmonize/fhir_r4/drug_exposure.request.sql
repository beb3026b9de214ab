-- Prescriptions. They last as long as the dispensing that they ask for: until the end of its validity, or for the days
-- that the supply is expected to last.
-- @reads MedicationRequest? (resource)
-- @reads _medications
SELECT
    source_row,
    person_id,
    visit_occurrence_id,
    visit_detail_id,
    omopsql.fhir_reference(resource ->> '$.requester.reference', resource_type := 'Practitioner') AS provider_id,
    coding.code AS drug_source_value,
    coding.vocabulary_id AS source_vocabulary_id,
    coding.name AS source_code_description,
    32838 AS drug_type_concept_id,
    omopsql.fhir_datetime(coalesce(
        resource ->> '$.authoredOn', resource ->> '$.dispenseRequest.validityPeriod.start'
    )) AS drug_exposure_start_datetime,
    omopsql.fhir_datetime(resource ->> '$.dispenseRequest.validityPeriod.end') AS drug_exposure_end_datetime,
    resource ->> '$.dispenseRequest.quantity.value' AS quantity,
    resource ->> '$.dispenseRequest.numberOfRepeatsAllowed' AS refills,
    TRY_CAST(resource ->> '$.dispenseRequest.expectedSupplyDuration.value' AS DOUBLE)
        * CASE coalesce(
            resource ->> '$.dispenseRequest.expectedSupplyDuration.code',
            resource ->> '$.dispenseRequest.expectedSupplyDuration.unit'
        ) WHEN 'd' THEN 1 WHEN 'days' THEN 1 WHEN 'wk' THEN 7 WHEN 'mo' THEN 30 WHEN 'a' THEN 365 END AS days_supply,
    resource ->> '$.dosageInstruction[0].text' AS sig,
    omopsql.preferred_coding(resource -> '$.dosageInstruction[0].route').code AS route_source_value,
    omopsql.preferred_coding(resource -> '$.dosageInstruction[0].route').vocabulary_id AS route_vocabulary_id,
    coalesce(
        resource ->> '$.dosageInstruction[0].doseAndRate[0].doseQuantity.code',
        resource ->> '$.dosageInstruction[0].doseAndRate[0].doseQuantity.unit'
    ) AS dose_unit_source_value,
    omopsql.preferred_coding(resource -> '$.statusReason').name AS stop_reason,
    set_aside
FROM _medications
WHERE kind = 'MedicationRequest'
