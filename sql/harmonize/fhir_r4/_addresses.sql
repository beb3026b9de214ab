-- Where patients and organizations are: of several addresses the home, else the first. The CDM's state has two letters;
-- one that is written out stands in location_source_value.
-- @reads Patient (resource)
-- @reads Organization? (resource)
WITH place AS (
    SELECT 'Patient/' || (resource ->> '$.id') AS location_id, resource FROM Patient
    UNION ALL
    SELECT 'Organization/' || (resource ->> '$.id') AS location_id, resource FROM Organization
),
addressed AS (
    SELECT
        location_id,
        coalesce(
            list_filter(json_extract(resource, '$.address[*]'), lambda a: (a ->> '$.use') = 'home')[1],
            resource -> '$.address[0]'
        ) AS address
    FROM place
),
located AS (
    SELECT
        *,
        json_extract(list_filter(
            json_extract(address, '$.extension[*]'),
            lambda e: (e ->> '$.url') = 'http://hl7.org/fhir/StructureDefinition/geolocation'
        )[1], '$.extension[*]') AS coordinates
    FROM addressed
    WHERE address IS NOT NULL
)
SELECT DISTINCT ON (location_id)
    location_id,
    concat_ws(', ', address ->> '$.city', address ->> '$.state', address ->> '$.postalCode', address ->> '$.country')
        AS location_source_value,
    address ->> '$.line[0]' AS address_1,
    address ->> '$.line[1]' AS address_2,
    address ->> '$.city' AS city,
    CASE WHEN length(address ->> '$.state') = 2 THEN address ->> '$.state' END AS state,
    address ->> '$.postalCode' AS zip,
    address ->> '$.district' AS county,
    address ->> '$.country' AS country_source_value,
    list_filter(coordinates, lambda c: (c ->> '$.url') = 'latitude')[1] ->> '$.valueDecimal' AS latitude,
    list_filter(coordinates, lambda c: (c ->> '$.url') = 'longitude')[1] ->> '$.valueDecimal' AS longitude
FROM located
ORDER BY ALL
