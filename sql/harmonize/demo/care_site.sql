-- Wards and clinics.
-- @reads wards (ward, name, kind)
SELECT
    source_row,
    ward AS care_site_id,
    name AS care_site_name,
    CASE kind WHEN 'outpatient' THEN 8756 ELSE 8717 END AS place_of_service_concept_id,
    ward AS care_site_source_value,
    kind AS place_of_service_source_value
FROM wards
