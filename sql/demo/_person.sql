-- Who lives in the hospital's region, as nobody at the hospital knows it: birth, sex, habits, and three hidden traits.
--
-- Everything here is simulated; no real person is in it. Every draw is omopsql.philox_uniform(seed, row, dimension) or
-- omopsql.philox_normal: the same seed gives the same hospital, byte for byte, in any order and on any machine. The
-- variables `patients` and `seed` are set before the files run. Files that begin with _ are steps that others read;
-- the others are the hospital's extracts.
WITH region AS (
    SELECT getvariable('seed') AS seed, patient_no FROM range(1, getvariable('patients') + 1) AS numbers (patient_no)
),
person AS (
    SELECT
        seed,
        patient_no,
        omopsql.philox_uniform(seed, patient_no, 0) < 0.53 AS is_female,
        2 + 88 * pow(omopsql.philox_uniform(seed, patient_no, 1), 0.7) AS age_in_2018,
        omopsql.philox_uniform(seed, patient_no, 2) AS smoking_draw,
        omopsql.philox_normal(seed, patient_no, 3) AS metabolic,  -- weight, sugar, blood fats, blood pressure
        omopsql.philox_normal(seed, patient_no, 4) AS frailty,
        omopsql.philox_uniform(seed, patient_no, 5) AS first_contact_draw,
        omopsql.philox_uniform(seed, patient_no, 6) AS race_draw,
        omopsql.philox_uniform(seed, patient_no, 7) AS ethnicity_draw,
        omopsql.philox_uniform(seed, patient_no, 8) AS home_draw,
        omopsql.philox_normal(seed, patient_no, 9) AS height_draw
    FROM region
)
SELECT
    seed,
    patient_no,
    is_female,
    DATE '2018-01-01' - CAST(floor(age_in_2018 * 365.25) AS INTEGER) AS birth_date,
    CASE
        WHEN age_in_2018 < 12 THEN 'never'
        WHEN smoking_draw < 0.19 THEN 'current'
        WHEN smoking_draw < 0.46 THEN 'former'
        ELSE 'never'
    END AS smoking,
    metabolic,
    frailty,
    DATE '2018-01-01' + CAST(floor(1300 * first_contact_draw) AS INTEGER) AS first_contact,
    CASE
        WHEN race_draw < 0.71 THEN 'white'
        WHEN race_draw < 0.84 THEN 'black'
        WHEN race_draw < 0.92 THEN 'asian'
    END AS race,
    CASE WHEN ethnicity_draw < 0.13 THEN 'hispanic' WHEN ethnicity_draw < 0.9 THEN 'not hispanic' END AS ethnicity,
    CAST(19100 + CAST(floor(14 * home_draw) AS INTEGER) AS VARCHAR) AS postcode,
    CAST(round(least(1, 0.45 + age_in_2018 / 30) * CASE WHEN is_female THEN 165 ELSE 178 END + 6.5 * height_draw)
        AS INTEGER) AS height_cm
FROM person
