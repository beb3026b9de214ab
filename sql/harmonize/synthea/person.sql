-- Patients.
-- @reads patients (id, birthdate, race, ethnicity, gender, city, state, zip)
SELECT
    source_row,
    id AS person_id,
    id AS person_source_value,
    birthdate AS birth_datetime,
    CASE gender WHEN 'M' THEN 8507 WHEN 'F' THEN 8532 ELSE 0 END AS gender_concept_id,
    gender AS gender_source_value,
    CASE race
        WHEN 'white' THEN 8527
        WHEN 'black' THEN 8516
        WHEN 'asian' THEN 8515
        WHEN 'native' THEN 8657  -- American Indian or Alaska Native
        WHEN 'hawaiian' THEN 8557  -- Native Hawaiian or Other Pacific Islander
        ELSE 0
    END AS race_concept_id,
    race AS race_source_value,
    CASE ethnicity WHEN 'hispanic' THEN 38003563 WHEN 'nonhispanic' THEN 38003564 ELSE 0 END AS ethnicity_concept_id,
    ethnicity AS ethnicity_source_value,
    concat_ws(', ', city, state, zip) AS location_id
FROM patients
