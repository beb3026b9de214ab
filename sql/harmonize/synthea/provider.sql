-- Clinicians. Their specialty is a name, such as GENERAL PRACTICE.
-- @reads providers (id, organization, name, gender, speciality)
SELECT
    source_row,
    id AS provider_id,
    name AS provider_name,
    organization AS care_site_id,
    CASE gender WHEN 'M' THEN 8507 WHEN 'F' THEN 8532 ELSE 0 END AS gender_concept_id,
    gender AS gender_source_value,
    speciality AS specialty_source_value,
    'Synthea specialty' AS specialty_vocabulary_id,
    id AS provider_source_value
FROM providers
