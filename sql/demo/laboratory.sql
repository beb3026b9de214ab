-- Laboratory results with LOINC codes. Values follow the patient's diseases over the years, recover during a stay, and
-- agree with each other; the filtration rate is computed from creatinine (CKD-EPI 2021, doi:10.1056/NEJMoa2102953),
-- and until 2021 reported under the code of the older formula, which the vocabulary has replaced since.
-- Dirt: haemolysed samples, results below the limit of detection, units missing or written in capitals.
WITH effect_of_illness AS (
    SELECT
        stay.stay_no,
        effect.loinc,
        sum(CASE WHEN effect.lasting IS NULL THEN effect.shift
            + effect.per_year * least(6, date_diff('day', illness.onset, stay.admitted_on) / 365.25) END
            ORDER BY illness.disease_no) AS chronic_shift,  -- in order: sums of floating-point numbers depend on it
        max(CASE WHEN effect.lasting IS NOT NULL THEN effect.shift END) AS acute_shift,
        max(effect.lasting) AS lasting,
        max(effect.share_ordered) AS share_ordered
    FROM _stay AS stay
    JOIN _illness AS illness
        ON illness.patient_no = stay.patient_no AND illness.onset <= stay.admitted_on
            AND (illness.kind <> 'acute' OR illness.icd10 = stay.icd10)
    JOIN _effect AS effect ON effect.icd10 = illness.icd10
    GROUP BY stay.stay_no, effect.loinc
),
ordered AS (
    SELECT
        stay.seed,
        stay.stay_no,
        stay.patient_no,
        stay.class,
        stay.admitted_on,
        stay.days,
        person.is_female,
        person.birth_date,
        person.metabolic AS metabolic_trait,
        test.*,
        effect.chronic_shift,
        effect.acute_shift,
        effect.lasting,
        effect.share_ordered
    FROM _stay AS stay
    JOIN _person AS person USING (patient_no)
    CROSS JOIN _test AS test
    LEFT JOIN effect_of_illness AS effect ON effect.stay_no = stay.stay_no AND effect.loinc = test.loinc
),
sampled AS (
    SELECT ordered.*, day
    FROM ordered CROSS JOIN (VALUES (0), (1), (3), (6)) AS days_of_sampling (day)
    WHERE day <= days
        AND omopsql.philox_uniform(seed, stay_no, 1000 + test_no) < greatest(
            CASE class WHEN 'outpatient' THEN share_outpatient ELSE share_inpatient END, coalesce(share_ordered, 0))
        AND (day = 0 OR acute_shift IS NOT NULL OR test_no <= 8)
        AND (day <> 1 OR loinc = '89579-7')
),
deviation AS (
    SELECT
        *,
        coalesce(chronic_shift, 0)
            + coalesce(acute_shift, 0) * (0.75 + 0.5 * omopsql.philox_uniform(seed, stay_no, 1020 + test_no))
                * pow(coalesce(lasting, 1), day)
            + metabolic * metabolic_trait
            + between_people * omopsql.philox_normal(seed, patient_no, 1040 + test_no)
            + within_person * omopsql.philox_normal(seed, stay_no, 1100 + 20 * day + test_no) AS shifted,
        CASE WHEN is_female THEN mean_women ELSE mean_men END AS mean
    FROM sampled
),
measured AS (
    SELECT
        seed, stay_no, patient_no, is_female, birth_date, admitted_on, day, test_no, loinc, test, unit, decimals,
        reference_low, reference_high,
        round(greatest(0.01, CASE scale WHEN 'log' THEN mean * exp(shifted) ELSE mean + shifted END), decimals)
            AS result
    FROM deviation
),
filtration AS (
    SELECT
        seed, stay_no, patient_no, is_female, birth_date, admitted_on, day, 16 AS test_no,
        CASE WHEN admitted_on < DATE '2021-07-01' THEN '33914-3' ELSE '98979-8' END AS loinc,
        'Glomerular filtration rate' AS test, 'mL/min/1.73m2' AS unit, 0 AS decimals,
        60 AS reference_low, 120 AS reference_high,
        round(142 * pow(least(result / CASE WHEN is_female THEN 0.7 ELSE 0.9 END, 1),
                CASE WHEN is_female THEN -0.241 ELSE -0.302 END)
            * pow(greatest(result / CASE WHEN is_female THEN 0.7 ELSE 0.9 END, 1), -1.2)
            * pow(0.9938, date_diff('day', birth_date, admitted_on) / 365.25)
            * CASE WHEN is_female THEN 1.012 ELSE 1 END, 0) AS result
    FROM measured
    WHERE loinc = '2160-0' AND date_diff('day', birth_date, admitted_on) > 18 * 365.25
),
every AS (
    SELECT *, row_number() OVER (PARTITION BY test ORDER BY stay_no, day) AS of_test
    FROM (SELECT * FROM measured UNION ALL BY NAME SELECT * FROM filtration)
)
SELECT
    7000000 + row_number() OVER (ORDER BY stay_no, day, test_no) AS result_no,
    100000 + patient_no AS patient_no,
    stay_no,
    loinc,
    test,
    CASE
        WHEN test = 'Potassium' AND of_test IN (4, 44, 84, 124) THEN 'haemolysed'
        WHEN test = 'Troponin I, high sensitivity' AND result < 1.8 THEN '<1.8'
        WHEN test = 'C-reactive protein' AND result < 0.3 THEN '<0.3'
        WHEN decimals = 0 THEN CAST(CAST(result AS BIGINT) AS VARCHAR)
        WHEN decimals = 1 THEN CAST(CAST(result AS DECIMAL(12, 1)) AS VARCHAR)
        ELSE CAST(CAST(result AS DECIMAL(12, 2)) AS VARCHAR)
    END AS result,
    CASE
        WHEN test = 'Sodium' AND of_test IN (3, 33, 63) THEN NULL
        WHEN test = 'Glucose' AND of_test % 50 = 2 THEN 'MG/DL'
        WHEN test = 'Creatinine' AND of_test % 50 = 7 THEN 'mg/dl'
        ELSE unit
    END AS unit,
    strftime(admitted_on + day * INTERVAL 1 DAY + INTERVAL 7 HOUR
        + CAST(floor(120 * omopsql.philox_uniform(seed, stay_no, 1300 + day)) AS INTEGER) * INTERVAL 1 MINUTE,
        '%Y-%m-%d %H:%M:%S') AS sampled_at,
    reference_low,
    reference_high
FROM every
ORDER BY result_no
