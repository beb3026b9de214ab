-- Allergies and intolerances. A finding ("allergy to peanuts") is the observation itself. A substance is the value of
-- an observation "drug allergy" or "allergy to substance": its own code would make it a drug that was given.
-- @reads AllergyIntolerance? (resource)
-- @reads _encounters
WITH allergy AS (
    SELECT
        source_row,
        resource,
        omopsql.preferred_coding(resource -> '$.code') AS coding,
        omopsql.fhir_reference(resource ->> '$.encounter.reference') AS encounter_id
    FROM AllergyIntolerance
),
told AS (
    SELECT
        *,
        coalesce(coding.vocabulary_id, '') IN ('RxNorm', 'NDC', 'ATC', 'CVX', 'dm+d') AS is_drug,
        regexp_matches(coalesce(coding.name, 'allergy'), '(?i)allerg|intoleran|sensitiv|anaphyla|adverse|reaction')
            AS is_finding
    FROM allergy
)
SELECT
    a.source_row,
    omopsql.fhir_reference(a.resource ->> '$.patient.reference', resource_type := 'Patient') AS person_id,
    coalesce(e.visit_occurrence_id, a.encounter_id) AS visit_occurrence_id,
    e.visit_detail_id,
    a.coding.code AS observation_source_value,
    CASE
        WHEN is_drug THEN '416098002'
        WHEN is_finding THEN a.coding.code
        ELSE '419199007'
    END AS source_code,
    CASE WHEN is_drug OR NOT is_finding THEN 'SNOMED' ELSE a.coding.vocabulary_id END AS source_vocabulary_id,
    a.coding.name AS source_code_description,
    CASE WHEN is_drug OR NOT is_finding THEN a.coding.code END AS value_source_value,
    CASE WHEN is_drug OR NOT is_finding THEN a.coding.vocabulary_id END AS value_vocabulary_id,
    a.coding.name AS value_as_string,
    omopsql.fhir_datetime(coalesce(
        a.resource ->> '$.onsetDateTime', a.resource ->> '$.onsetPeriod.start', a.resource ->> '$.recordedDate'
    )) AS observation_datetime,
    CASE a.resource ->> '$.verificationStatus.coding[0].code'
        WHEN 'entered-in-error' THEN 'entered in error'
        WHEN 'refuted' THEN 'refuted'
    END AS set_aside
FROM told AS a
LEFT JOIN _encounters AS e ON a.encounter_id = e.encounter_id
