-- Contacts with the hospital: stays, visits to the clinics, and visits to the emergency department.
-- Dirt: stays that end before they begin, an admission on 30 February, one of a patient whom nobody knows.
WITH contact AS (
    SELECT
        *,
        CASE
            WHEN class = 'outpatient' THEN 'OUT'
            WHEN class = 'emergency' THEN 'EMR'
            WHEN icd10 = 'A41.9' OR icd10 = 'I21.4' AND stay_no % 2 = 0 THEN 'ICU'
            WHEN icd10 LIKE 'I%' THEN 'CAR'
            WHEN icd10 LIKE 'C%' THEN 'ONC'
            WHEN icd10 IN ('K35.80', 'K80.20', 'M19.90') THEN 'SUR'
            WHEN icd10 = 'F32.9' THEN 'PSY'
            ELSE 'MED'
        END AS ward,
        row_number() OVER (PARTITION BY class ORDER BY stay_no) AS of_class
    FROM _stay
),
clock AS (
    SELECT
        stay_no,
        100000 + patient_no AS patient_no,
        class,
        ward,
        1 + CAST(floor(40 * omopsql.philox_uniform(seed, stay_no, 400)) AS INTEGER) AS doctor_number,
        admitted_on + INTERVAL 8 HOUR
            + CAST(floor(540 * omopsql.philox_uniform(seed, stay_no, 401)) AS INTEGER) * INTERVAL 1 MINUTE AS admitted,
        days,
        20 + CAST(floor(40 * omopsql.philox_uniform(seed, stay_no, 402)) AS INTEGER) AS minutes,
        is_last,
        of_class
    FROM contact
),
ledger AS (
    SELECT
        stay_no,
        patient_no,
        class,
        ward,
        'D' || lpad(CAST(doctor_number AS VARCHAR), 2, '0') AS doctor,
        CASE
            WHEN class = 'inpatient' AND of_class = 9 THEN '2021-02-30 10:15:00'
            ELSE strftime(admitted, '%Y-%m-%d %H:%M:%S')
        END AS admitted_at,
        CASE
            WHEN class = 'inpatient' AND of_class IN (5, 15, 25)
                THEN strftime(admitted - INTERVAL 2 DAY, '%Y-%m-%d %H:%M:%S')
            ELSE strftime(admitted + days * INTERVAL 1 DAY + minutes * INTERVAL 1 MINUTE, '%Y-%m-%d %H:%M:%S')
        END AS discharged_at,
        CASE WHEN is_last THEN 'died' WHEN class = 'inpatient' THEN 'home' END AS discharged_to
    FROM clock
)
SELECT *
FROM (
    SELECT * FROM ledger
    UNION ALL
    SELECT 499999, 99999, 'inpatient', 'MED', 'D01', '2022-03-04 09:00:00', '2022-03-09 11:00:00', 'home'
)
ORDER BY stay_no
