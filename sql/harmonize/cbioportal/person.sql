-- Patients of the study. The year of birth follows from the age at diagnosis.
-- @reads data_clinical_patient (PATIENT_ID, SEX?, RACE?, ETHNICITY?)
-- @reads _patients
SELECT
    c.source_row,
    c.PATIENT_ID AS person_id,
    c.PATIENT_ID AS person_source_value,
    CASE upper(c.SEX) WHEN 'FEMALE' THEN 8532 WHEN 'F' THEN 8532 WHEN 'MALE' THEN 8507 WHEN 'M' THEN 8507 ELSE 0 END
        AS gender_concept_id,
    c.SEX AS gender_source_value,
    year(p.born) AS year_of_birth,
    CASE upper(c.RACE)
        WHEN 'WHITE' THEN 8527
        WHEN 'ASIAN' THEN 8515
        WHEN 'BLACK' THEN 8516
        WHEN 'BLACK OR AFRICAN AMERICAN' THEN 8516
    END AS race_concept_id,
    c.RACE AS race_source_value,
    c.ETHNICITY AS ethnicity_source_value,
    CASE WHEN p.born IS NULL THEN 'age at diagnosis unknown' END AS set_aside
FROM data_clinical_patient AS c
LEFT JOIN _patients AS p ON c.source_row = p.source_row
