-- Patients. Race and ethnicity are the categories of US Core; of several races of one person none is taken.
-- A birth date may be a year, or a year and a month. What the adapter does not read: claims and explanations of
-- benefit, which repeat what was done, and plans, goals, care teams and imaging studies.
-- @reads Patient (resource)
WITH patient AS (
    SELECT
        source_row,
        resource,
        resource ->> '$.id' AS patient_id,
        resource ->> '$.birthDate' AS born,
        list_filter(
            json_extract(resource, '$.extension[*]'),
            lambda e: (e ->> '$.url') = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race'
        )[1] AS race,
        list_filter(
            json_extract(resource, '$.extension[*]'),
            lambda e: (e ->> '$.url') = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity'
        )[1] AS ethnicity
    FROM Patient
),
categorized AS (
    SELECT
        *,
        list_transform(
            list_filter(json_extract(race, '$.extension[*]'), lambda e: (e ->> '$.url') = 'ombCategory'),
            lambda e: e ->> '$.valueCoding.code'
        ) AS races,
        list_filter(json_extract(ethnicity, '$.extension[*]'), lambda e: (e ->> '$.url') = 'ombCategory')[1]
            ->> '$.valueCoding.code' AS ethnicity_code
    FROM patient
)
SELECT
    source_row,
    patient_id AS person_id,
    patient_id AS person_source_value,
    CASE resource ->> '$.gender' WHEN 'male' THEN 8507 WHEN 'female' THEN 8532 ELSE 0 END AS gender_concept_id,
    resource ->> '$.gender' AS gender_source_value,
    left(born, 4) AS year_of_birth,
    nullif(substr(born, 6, 2), '') AS month_of_birth,
    nullif(substr(born, 9, 2), '') AS day_of_birth,
    CASE WHEN length(born) = 10 THEN born END AS birth_datetime,
    CASE WHEN len(races) = 1 THEN CASE races[1]
        WHEN '1002-5' THEN 8657
        WHEN '2028-9' THEN 8515
        WHEN '2054-5' THEN 8516
        WHEN '2076-8' THEN 8557
        WHEN '2106-3' THEN 8527
    END END AS race_concept_id,
    array_to_string(races, ' ') AS race_source_value,
    CASE ethnicity_code WHEN '2135-2' THEN 38003563 WHEN '2186-5' THEN 38003564 END AS ethnicity_concept_id,
    ethnicity_code AS ethnicity_source_value,
    CASE WHEN json_array_length(resource, '$.address') > 0 THEN 'Patient/' || patient_id END AS location_id,
    omopsql.fhir_reference(resource ->> '$.managingOrganization.reference', resource_type := 'Organization')
        AS care_site_id,
    omopsql.fhir_reference(resource ->> '$.generalPractitioner[0].reference', resource_type := 'Practitioner')
        AS provider_id,
    CASE WHEN born IS NULL THEN 'no birth date' END AS set_aside
FROM categorized
