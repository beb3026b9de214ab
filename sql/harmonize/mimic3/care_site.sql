-- Wards, by the numbers that transfers give them; intensive-care wards also have a unit, such as MICU.
-- @reads transfers? (curr_wardid, curr_careunit)
SELECT
    min(source_row) AS source_row,
    'ward ' || curr_wardid AS care_site_id,
    concat_ws(', ', max(curr_careunit), 'ward ' || curr_wardid) AS care_site_name,
    curr_wardid AS care_site_source_value,
    8717 AS place_of_service_concept_id,
    max(curr_careunit) AS place_of_service_source_value
FROM transfers
WHERE curr_wardid IS NOT NULL
GROUP BY curr_wardid
