-- The register of deaths. The cause is the last stay's reason, where there was one.
-- Dirt: a date that is unknown, a death entered twice.
WITH register AS (
    SELECT
        course.patient_no,
        course.death_date,
        stay.icd10 AS cause,
        row_number() OVER (ORDER BY course.patient_no) AS number
    FROM _course AS course
    LEFT JOIN _stay AS stay ON stay.patient_no = course.patient_no AND stay.is_last
    WHERE course.death_date IS NOT NULL
)
SELECT patient_no, died_on, cause_icd
FROM (
    SELECT
        100000 + patient_no AS patient_no,
        CASE WHEN number IN (6, 16) THEN 'unknown' ELSE CAST(death_date AS VARCHAR) END AS died_on,
        cause AS cause_icd,
        0 AS entry
    FROM register
    UNION ALL
    SELECT 100000 + patient_no, CAST(death_date AS VARCHAR), cause, 1 FROM register WHERE number = 3
)
ORDER BY entry, patient_no
