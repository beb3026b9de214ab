-- The towns where patients live. Their street addresses and coordinates are left out.
-- @reads patients (city, state, county, zip)
SELECT
    concat_ws(', ', city, state, zip) AS location_id,
    any_value(city) AS city,
    any_value(CASE WHEN length(state) = 2 THEN state END) AS state,
    any_value(zip) AS zip,
    any_value(county) AS county,
    concat_ws(', ', city, state, zip) AS location_source_value
FROM patients
GROUP BY ALL
