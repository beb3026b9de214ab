-- The biomarker laboratory: one row for each sample, one column for each marker. A biopsy tells receptors, HER2 and
-- Ki-67; blood samples of cancer patients follow their tumour marker; a research cohort has troponin and HbA1c.
-- Dirt: a value below the limit of detection, a percent sign among the values, a patient whom nobody knows.
WITH biopsy AS (
    SELECT
        illness.patient_no,
        greatest(illness.onset, person.first_contact) AS sampled_on,
        illness.icd10,
        person.seed,
        'biopsy' AS sample,
        0 AS follow_up
    FROM _illness AS illness
    JOIN _person AS person USING (patient_no)
    JOIN _course AS course USING (patient_no)
    WHERE illness.icd10 = 'C50.911' AND illness.onset <= course.last_day
),
blood AS (
    SELECT
        stay.patient_no,
        stay.admitted_on AS sampled_on,
        stay.icd10,
        stay.seed,
        'blood' AS sample,
        row_number() OVER (PARTITION BY stay.patient_no, stay.icd10 ORDER BY stay.stay_no) - 1 AS follow_up
    FROM _stay AS stay
    WHERE stay.icd10 IN ('C61', 'C56.9')
),
cohort AS (
    SELECT patient_no, admitted_on AS sampled_on, NULL AS icd10, seed, 'research' AS sample, 0 AS follow_up
    FROM _stay
    WHERE omopsql.philox_uniform(seed, patient_no, 950) < 0.15 AND class = 'outpatient'
    QUALIFY row_number() OVER (PARTITION BY patient_no ORDER BY stay_no) = 1
),
sample AS (
    SELECT
        *,
        row_number() OVER (ORDER BY sampled_on, patient_no, sample, icd10) AS number
    FROM (SELECT * FROM biopsy UNION ALL SELECT * FROM blood UNION ALL SELECT * FROM cohort)
),
tumour AS (
    SELECT patient_no, bool_or(marker = 'ER') AS er, bool_or(marker = 'HER2') AS her2
    FROM _marker
    WHERE icd10 = 'C50.911'
    GROUP BY patient_no
),
condition AS (
    SELECT patient_no, bool_or(icd10 = 'E11.9') AS diabetes, bool_or(icd10 IN ('I50.9', 'I21.4')) AS heart
    FROM _illness
    GROUP BY patient_no
),
read_out AS (
    SELECT
        sample.*,
        coalesce(er, false) AS er,
        coalesce(her2, false) AS her2,
        coalesce(diabetes, false) AS diabetes,
        coalesce(heart, false) AS heart,
        omopsql.philox_uniform(seed, number, 960) AS pr_draw,
        omopsql.philox_normal(seed, number, 961) AS noise,
        omopsql.philox_normal(seed, sample.patient_no, 962) AS tumour_size,
        row_number() OVER (PARTITION BY sample ORDER BY number) AS of_sample
    FROM sample LEFT JOIN tumour USING (patient_no) LEFT JOIN condition USING (patient_no)
)
SELECT *
FROM (
    SELECT
        'B' || CAST(100000 + number AS VARCHAR) AS sample_no,
        100000 + patient_no AS patient_no,
        CAST(sampled_on AS VARCHAR) AS sampled_on,
        sample,
        CASE WHEN sample = 'biopsy' THEN CASE WHEN her2 THEN 'positive' ELSE 'negative' END END AS her2,
        CASE WHEN sample = 'biopsy' THEN CASE WHEN er THEN 'positive' ELSE 'negative' END END AS er,
        CASE WHEN sample = 'biopsy' THEN
            CASE WHEN er AND pr_draw < 0.8 OR pr_draw < 0.04 THEN 'positive' ELSE 'negative' END END AS pr,
        CASE WHEN sample = 'biopsy' THEN
            CAST(CAST(least(95, greatest(1, round(
                CASE WHEN er THEN 17 ELSE 42 END * exp(0.45 * noise)
            ))) AS INTEGER) AS VARCHAR) || CASE WHEN of_sample IN (2, 5) THEN '%' ELSE '' END END AS ki67_percent,
        CASE WHEN icd10 = 'C61' THEN CASE
            WHEN of_sample % 60 = 9 THEN '<0.01'
            ELSE CAST(CAST(
                11 * exp(0.7 * tumour_size + 0.3 * noise - 0.35 * least(follow_up, 8)) AS DECIMAL(9, 2)) AS VARCHAR)
        END END AS psa_ng_ml,
        CASE WHEN icd10 = 'C56.9' THEN
            CAST(CAST(
                220 * exp(0.8 * tumour_size + 0.3 * noise - 0.3 * least(follow_up, 8)) AS DECIMAL(9, 1)) AS VARCHAR)
        END AS ca125_u_ml,
        CASE WHEN sample = 'research' THEN
            CAST(CAST(3.2 * exp(0.5 * noise + CASE WHEN heart THEN 1.4 ELSE 0 END) AS DECIMAL(9, 1)) AS VARCHAR)
        END AS troponin_ng_l,
        CASE WHEN sample = 'research' THEN
            CAST(CAST(5.3 + 0.3 * noise + CASE WHEN diabetes THEN 1.7 ELSE 0 END AS DECIMAL(4, 1)) AS VARCHAR)
        END AS hba1c_percent
    FROM read_out
    UNION ALL
    SELECT 'B099999', 99999, '2022-05-05', 'blood', NULL, NULL, NULL, NULL, '4.20', NULL, NULL, NULL
)
ORDER BY sample_no
