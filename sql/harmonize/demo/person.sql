-- The register of patients. Sex is written in many ways; its first letter tells.
-- @reads patients (patient_no, sex, born_on, race?, ethnicity?, postcode?)
SELECT
    source_row,
    patient_no AS person_id,
    CASE upper(left(trim(sex), 1)) WHEN 'F' THEN 8532 WHEN 'M' THEN 8507 ELSE 0 END AS gender_concept_id,
    sex AS gender_source_value,
    born_on AS birth_datetime,
    race AS race_source_value,
    'Demo race' AS race_vocabulary_id,
    ethnicity AS ethnicity_source_value,
    'Demo ethnicity' AS ethnicity_vocabulary_id,
    'postcode ' || postcode AS location_id,
    patient_no AS person_source_value
FROM patients
