-- Doctors.
-- @reads doctors (doctor, specialty, sex)
SELECT
    source_row,
    doctor AS provider_id,
    CASE specialty WHEN 'General Practice' THEN 38004446 ELSE 32577 END AS specialty_concept_id,
    specialty AS specialty_source_value,
    CASE sex WHEN 'F' THEN 8532 WHEN 'M' THEN 8507 END AS gender_concept_id,
    sex AS gender_source_value,
    doctor AS provider_source_value
FROM doctors
