-- Drugs that a patient is said to take.
-- @reads MedicationStatement? (resource)
-- @reads _medications
SELECT
    source_row,
    person_id,
    visit_occurrence_id,
    visit_detail_id,
    coding.code AS drug_source_value,
    coding.vocabulary_id AS source_vocabulary_id,
    coding.name AS source_code_description,
    32830 AS drug_type_concept_id,
    omopsql.fhir_datetime(coalesce(
        resource ->> '$.effectiveDateTime', resource ->> '$.effectivePeriod.start', resource ->> '$.dateAsserted'
    )) AS drug_exposure_start_datetime,
    omopsql.fhir_datetime(resource ->> '$.effectivePeriod.end') AS drug_exposure_end_datetime,
    resource ->> '$.dosage[0].text' AS sig,
    omopsql.preferred_coding(resource -> '$.dosage[0].route').code AS route_source_value,
    omopsql.preferred_coding(resource -> '$.dosage[0].route').vocabulary_id AS route_vocabulary_id,
    set_aside
FROM _medications
WHERE kind = 'MedicationStatement'
