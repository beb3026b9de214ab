-- Vital signs at the beginning of each contact: one row with a column for each sign.
-- Dirt: here and there a sign is missing.
WITH body AS (
    SELECT
        stay.*,
        person.height_cm,
        person.smoking,
        person.metabolic,
        date_diff('day', person.birth_date, stay.admitted_on) / 365.25 AS age,
        count(illness.icd10) FILTER (WHERE illness.icd10 = 'I10') AS hypertension,
        count(illness.icd10) FILTER (WHERE illness.icd10 = 'E66.9') AS obesity,
        count(illness.icd10) FILTER (WHERE illness.icd10 = 'J44.9') AS lung_disease
    FROM _stay AS stay
    JOIN _person AS person USING (patient_no)
    LEFT JOIN _illness AS illness ON illness.patient_no = stay.patient_no AND illness.onset <= stay.admitted_on
    GROUP BY ALL
),
sign AS (
    SELECT
        *,
        greatest(15.5, 25 + 2.6 * metabolic + 5 * obesity - 0.35 * greatest(0, 20 - age)
            + 0.7 * omopsql.philox_normal(seed, stay_no, 700)) AS bmi,
        104 + 0.32 * age + 16 * hypertension + 3 * metabolic + 9 * omopsql.philox_normal(seed, stay_no, 701)
            + 4 * omopsql.philox_normal(seed, patient_no, 702) AS systolic
    FROM body
)
SELECT
    stay_no,
    100000 + patient_no AS patient_no,
    CAST(admitted_on AS VARCHAR) AS measured_on,
    CAST(round(systolic) AS INTEGER) AS systolic_mmhg,
    CAST(round(0.46 * systolic + 20 + 5 * omopsql.philox_normal(seed, stay_no, 703)) AS INTEGER) AS diastolic_mmhg,
    CASE WHEN stay_no % 9 <> 0 THEN CAST(round(
        74 + 5 * omopsql.philox_normal(seed, patient_no, 704) + 7 * omopsql.philox_normal(seed, stay_no, 705)
        + CASE class WHEN 'outpatient' THEN 0 ELSE 9 END) AS INTEGER) END AS heart_rate,
    CASE WHEN class <> 'outpatient' OR lung_disease > 0 THEN CAST(least(100, round(
        97.5 - 3.5 * lung_disease - CASE icd10 WHEN 'J18.9' THEN 5 ELSE 0 END
        + 1.2 * omopsql.philox_normal(seed, stay_no, 706))) AS INTEGER) END AS oxygen_saturation_percent,
    CASE WHEN stay_no % 4 <> 0 THEN CAST(bmi * height_cm * height_cm / 10000 AS DECIMAL(5, 1)) END AS weight_kg,
    CASE WHEN stay_no % 4 = 1 THEN height_cm END AS height_cm,
    CASE WHEN stay_no % 3 = 0 AND age >= 12 THEN smoking END AS smoking
FROM sign
ORDER BY stay_no
