-- Where organizations stand.
-- @reads organizations (id, address, city, state, zip, lat?, lon?)
SELECT
    source_row,
    'organization ' || id AS location_id,
    address AS address_1,
    city,
    CASE WHEN length(state) = 2 THEN state END AS state,
    zip,
    id AS location_source_value,
    lat AS latitude,
    lon AS longitude
FROM organizations
