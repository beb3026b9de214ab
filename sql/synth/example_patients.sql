-- Simulated patients of one clinic, n rows, to try every function on: no real person is in them.
-- Sex, age and body mass lead to diabetes, blood pressure, laboratory values, length of stay and death.
-- @param n BIGINT
-- @param seed BIGINT
-- @example SELECT count(*) FROM omopsql.example_patients(2000) --> 2000
-- @example SELECT count(*) FILTER (WHERE diabetes) FROM omopsql.example_patients(2000) --> 193
CREATE OR REPLACE MACRO omopsql.example_patients(n, seed := 1) AS TABLE
WITH person AS (
    SELECT
        id AS patient_id,
        omopsql.philox_uniform(seed, id, 0) < 0.52 AS is_female,
        CAST(18 + 72 * sqrt(omopsql.philox_uniform(seed, id, 1) * 0.9) AS INTEGER) AS age,
        omopsql.philox_normal(seed, id, 2) AS frailty
    FROM range(1, CAST(n AS BIGINT) + 1) AS ids (id)
),
body AS (
    SELECT
        *,
        round(26 + 2.2 * frailty + 3.6 * omopsql.philox_normal(seed, patient_id, 3) + age / 60, 1) AS bmi,
        omopsql.philox_uniform(seed, patient_id, 4) AS smoking_draw
    FROM person
),
disease AS (
    SELECT
        *,
        omopsql.philox_uniform(seed, patient_id, 5) < 1 / (1 + exp(5.1 - 0.09 * (bmi - 20) - 0.032 * age)) AS diabetes,
        CASE
            WHEN smoking_draw < 0.18 THEN 'current'
            WHEN smoking_draw < 0.45 THEN 'former'
            WHEN smoking_draw < 0.94 THEN 'never'
        END AS smoking
    FROM body
),
stay AS (
    SELECT
        *,
        round(5.4 + 0.25 * omopsql.philox_normal(seed, patient_id, 6) + CASE WHEN diabetes
            THEN 1.4 - 0.8 * ln(omopsql.philox_uniform(seed, patient_id, 7)) ELSE 0 END, 1) AS hba1c,
        omopsql.philox_uniform(seed, patient_id, 8) < 1 / (1 + exp(2.4 - 0.6 * frailty - 0.012 * age)) AS admitted,
        omopsql.philox_uniform(seed, patient_id, 9) AS stay_draw,
        omopsql.philox_uniform(seed, patient_id, 10) AS code_draw,
        omopsql.philox_uniform(seed, patient_id, 11) AS death_draw,
        omopsql.philox_uniform(seed, patient_id, 12) AS missing_draw
    FROM disease
)
SELECT
    patient_id,
    CASE WHEN is_female THEN 'F' ELSE 'M' END AS sex,
    DATE '2026-01-01' - CAST(age * 365.25 + 365 * stay_draw AS INTEGER) AS birth_date,
    bmi,
    smoking,
    diabetes,
    CASE WHEN diabetes OR missing_draw < 0.4 THEN CAST(hba1c AS DECIMAL(4, 1)) END AS hba1c,
    CAST(round(108 + 0.3 * age + 0.6 * (bmi - 25) + 11 * omopsql.philox_normal(seed, patient_id, 13)) AS INTEGER)
        AS systolic_bp,
    CASE
        WHEN diabetes AND code_draw < 0.7 THEN 'E11.9'
        WHEN smoking = 'current' AND code_draw < 0.3 THEN 'J44.9'
        WHEN NOT is_female AND age > 60 AND code_draw < 0.12 THEN 'N40.0'
        WHEN is_female AND code_draw < 0.1 THEN 'N95.1'
        WHEN code_draw < 0.5 THEN 'I10'
        WHEN code_draw < 0.75 THEN 'M54.5'
        ELSE 'Z00.0'
    END AS icd10,
    CASE WHEN admitted THEN CAST(1 - floor(5 * ln(stay_draw)) AS INTEGER) ELSE 0 END AS length_of_stay,
    death_draw < 1 / (1 + exp(8.6 - 0.07 * age - 0.5 * frailty - CASE WHEN admitted THEN 1.1 ELSE 0 END)) AS died
FROM stay;
