-- Prescriptions: RxNorm codes of the pharmacy, and NDC of a few packages.
-- Dirt: an NDC with 10 digits, with hyphens or without; a drug without a code; a supply of no days.
WITH prescribed AS (
    SELECT
        stay.seed, stay.stay_no, stay.patient_no, stay.class, stay.discharged_on, stay.admitted_on,
        illness.disease_no, treatment.*, illness.kind = 'acute' AS is_acute
    FROM _stay AS stay
    JOIN _illness AS illness ON illness.patient_no = stay.patient_no AND illness.onset <= stay.admitted_on
    JOIN _treatment AS treatment ON treatment.icd10 = illness.icd10
    WHERE omopsql.philox_uniform(stay.seed, stay.patient_no * 1000 + illness.disease_no * 10 + treatment.line, 800)
            BETWEEN treatment.low AND treatment.high
        AND (illness.kind <> 'acute' OR illness.icd10 = stay.icd10)
        AND (illness.kind = 'acute' OR illness.icd10 = stay.icd10
            OR omopsql.philox_uniform(stay.seed, stay.stay_no, 810 + illness.disease_no) < 0.45)
        AND (treatment.marker IS NULL OR EXISTS (
            FROM _marker AS marker
            WHERE marker.patient_no = stay.patient_no AND marker.icd10 = illness.icd10
                AND marker.marker = treatment.marker
        ))
),
numbered AS (
    SELECT
        *,
        row_number() OVER (ORDER BY stay_no, disease_no, line) AS number,
        row_number() OVER (PARTITION BY code ORDER BY stay_no, disease_no, line) AS of_code
    FROM prescribed
)
SELECT
    3000000 + number AS prescription_no,
    100000 + patient_no AS patient_no,
    stay_no,
    CASE
        WHEN code = '68180051501' AND of_code IN (2, 12, 22) THEN '68180-515-01'
        WHEN code = '68180051501' AND of_code IN (4, 14, 24) THEN '6818051501'
        WHEN code = '7646' AND of_code IN (5, 15, 25) THEN NULL
        ELSE code
    END AS drug_code,
    code_system,
    drug,
    CAST(CASE WHEN is_acute THEN admitted_on ELSE discharged_on END AS VARCHAR) AS prescribed_on,
    CASE WHEN code = '313988' AND of_code IN (3, 13) THEN 0 ELSE days END AS days_supply,
    days * per_day AS quantity,
    CASE WHEN drug LIKE '%Inhaler%' OR drug LIKE '%Inject%' OR drug LIKE '%Syringe%' THEN NULL ELSE 'oral' END AS route
FROM numbered
ORDER BY prescription_no
