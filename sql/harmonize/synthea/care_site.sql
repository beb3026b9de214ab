-- Organizations.
-- @reads organizations (id, name)
SELECT
    source_row,
    id AS care_site_id,
    name AS care_site_name,
    'organization ' || id AS location_id,
    id AS care_site_source_value
FROM organizations
