-- Where patients live, as far as their postcode tells.
-- @reads _postcode
SELECT
    'postcode ' || postcode AS location_id,
    postcode AS zip,
    postcode AS location_source_value
FROM _postcode
