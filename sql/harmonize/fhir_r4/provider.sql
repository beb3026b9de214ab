-- Practitioners. One who stands in many bundles is one provider, as the first bundle tells. Names are left out.
-- @reads Practitioner? (resource)
WITH practitioner AS (
    SELECT
        source_row,
        resource ->> '$.id' AS provider_id,
        resource ->> '$.gender' AS gender,
        omopsql.preferred_coding(resource -> '$.qualification[0].code') AS qualification,
        list_filter(
            json_extract(resource, '$.identifier[*]'),
            lambda i: (i ->> '$.system') = 'http://hl7.org/fhir/sid/us-npi'
        )[1] ->> '$.value' AS npi
    FROM Practitioner
)
SELECT
    provider_id,
    provider_id AS provider_source_value,
    arg_min(npi, source_row) AS npi,
    CASE arg_min(gender, source_row) WHEN 'male' THEN 8507 WHEN 'female' THEN 8532 ELSE 0 END AS gender_concept_id,
    arg_min(gender, source_row) AS gender_source_value,
    arg_min(coalesce(qualification.name, qualification.code), source_row) AS specialty_source_value
FROM practitioner
GROUP BY provider_id
