-- The register of patients.
-- Dirt: sex in every spelling; one patient entered twice; two without a readable date of birth.
WITH register AS (
    SELECT
        100000 + patient_no AS patient_no,
        CASE
            WHEN patient_no % 400 = 11 THEN CASE WHEN is_female THEN 'f' ELSE 'm' END
            WHEN patient_no % 400 = 12 THEN CASE WHEN is_female THEN ' F ' ELSE ' M ' END
            WHEN patient_no % 400 = 13 THEN CASE WHEN is_female THEN 'Female' ELSE 'MALE' END
            ELSE CASE WHEN is_female THEN 'F' ELSE 'M' END
        END AS sex,
        CAST(birth_date AS VARCHAR) AS born_on,
        race,
        ethnicity,
        postcode,
        0 AS entry
    FROM _person
),
dirt AS (
    SELECT patient_no, sex, born_on, race, ethnicity, postcode, 1 AS entry FROM register WHERE patient_no = 100007
    UNION ALL
    SELECT 99001, 'F', '1950-13-01', 'white', NULL, '19104', 2
    UNION ALL
    SELECT 99002, 'M', 'unknown', NULL, NULL, NULL, 2
)
SELECT * EXCLUDE (entry)
FROM (SELECT * FROM register UNION ALL SELECT * FROM dirt)
ORDER BY entry, patient_no
