-- Diagnoses of each contact, coded in ICD-10-CM at its end: the reason first, then what else the patient has.
-- Dirt: codes in lower case, without their dot or padded; an unknown code; dates that are none.
WITH reason AS (
    SELECT stay_no, patient_no, 0 AS place, icd10, discharged_on AS coded_on FROM _stay
),
beside AS (
    SELECT stay.stay_no, stay.patient_no, illness.disease_no AS place, illness.icd10, stay.discharged_on AS coded_on
    FROM _stay AS stay
    JOIN _illness AS illness ON illness.patient_no = stay.patient_no
    WHERE illness.kind <> 'acute' AND illness.onset <= stay.admitted_on AND illness.icd10 <> stay.icd10
        AND omopsql.philox_uniform(stay.seed, stay.stay_no, 500 + illness.disease_no)
            < CASE stay.class WHEN 'inpatient' THEN 0.8 ELSE 0.25 END
),
history AS (  -- cured cancers are remembered; diabetes with kidney disease has a code of its own
    SELECT
        stay.stay_no,
        stay.patient_no,
        60 + illness.disease_no AS place,
        CASE illness.icd10 WHEN 'C50.911' THEN 'Z85.3' WHEN 'C61' THEN 'Z85.46' ELSE 'E11.22' END AS icd10,
        stay.discharged_on AS coded_on
    FROM _stay AS stay
    JOIN _illness AS illness ON illness.patient_no = stay.patient_no
    WHERE omopsql.philox_uniform(stay.seed, stay.stay_no, 600 + illness.disease_no) < 0.15
        AND (
            illness.icd10 IN ('C50.911', 'C61') AND illness.onset + 1500 < stay.admitted_on
            OR illness.icd10 = 'E11.9' AND illness.onset <= stay.admitted_on AND EXISTS (
                FROM _illness AS kidney
                WHERE kidney.patient_no = stay.patient_no AND kidney.icd10 = 'N18.3'
                    AND kidney.onset <= stay.admitted_on
            )
        )
),
coded AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY stay_no ORDER BY place) AS rank,
        row_number() OVER (PARTITION BY icd10 ORDER BY stay_no, place) AS of_code
    FROM (SELECT * FROM reason UNION ALL SELECT * FROM beside UNION ALL SELECT * FROM history)
)
SELECT
    100000 + patient_no AS patient_no,
    stay_no,
    rank,
    CASE
        WHEN icd10 = 'I10' AND of_code IN (3, 13, 23, 33) THEN 'i10'
        WHEN icd10 = 'I10' AND of_code IN (6, 16, 26) THEN ' I10 '
        WHEN icd10 = 'E11.9' AND of_code IN (2, 12, 22, 32) THEN 'E119'
        WHEN icd10 = 'E11.9' AND of_code IN (5, 15, 25) THEN 'e11.9'
        WHEN icd10 = 'M19.90' AND of_code IN (4, 8, 12) THEN 'X99.ZZ'
        ELSE icd10
    END AS icd_code,
    CASE
        WHEN icd10 = 'E78.5' AND of_code IN (7, 17) THEN '2021-02-30'
        WHEN icd10 = 'E78.5' AND of_code IN (9, 19, 29) THEN 'unknown'
        ELSE CAST(coded_on AS VARCHAR)
    END AS coded_on
FROM coded
ORDER BY stay_no, rank
