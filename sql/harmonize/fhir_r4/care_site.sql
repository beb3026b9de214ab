-- Organizations. One that stands in many bundles is one care site, as its first bundle tells it.
-- @reads Organization? (resource)
SELECT
    resource ->> '$.id' AS care_site_id,
    arg_min(resource ->> '$.name', source_row) AS care_site_name,
    arg_min(resource ->> '$.id', source_row) AS care_site_source_value,
    arg_min(omopsql.preferred_coding(resource -> '$.type[0]').name, source_row) AS place_of_service_source_value,
    arg_min('Organization/' || (resource ->> '$.id'), source_row)
        FILTER (json_array_length(resource, '$.address') > 0) AS location_id
FROM Organization
GROUP BY ALL
