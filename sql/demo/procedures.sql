-- Procedures, coded in SNOMED CT. Operations are done once; examinations as often as there is reason.
-- Dirt: a code that no vocabulary knows.
WITH indication AS (
    SELECT *
    FROM (
        VALUES
            (1, 'I21.4', '33367005', 'Coronary angiography', 0.9, false),
            (2, 'I21.4', '415070008', 'Percutaneous coronary intervention', 0.65, false),
            (3, 'I21.4', '29303009', 'Electrocardiogram', 1.0, false),
            (4, 'I48.91', '29303009', 'Electrocardiogram', 0.6, false),
            (5, 'I50.9', '40701008', 'Echocardiography', 0.35, false),
            (6, 'I63.9', '77477000', 'Computed tomography', 0.95, false),
            (7, 'J18.9', '399208008', 'Chest X-ray', 0.9, false),
            (8, 'J44.9', '127783003', 'Spirometry', 0.3, false),
            (9, 'J44.9', '57485005', 'Oxygen therapy', 0.1, false),
            (10, 'C18.9', '73761001', 'Colonoscopy', 0.25, false),
            (11, 'K92.2', '73761001', 'Colonoscopy', 0.7, false),
            (12, 'C50.911', '71651007', 'Mammography', 0.3, false),
            (13, 'C50.911', '392021009', 'Lumpectomy of breast', 0.3, true),
            (14, 'C50.911', '108290001', 'Radiotherapy', 0.12, false),
            (15, 'C34.90', '77477000', 'Computed tomography', 0.4, false),
            (16, 'C61', '26294005', 'Radical prostatectomy', 0.12, true),
            (17, 'K35.80', '80146002', 'Appendectomy', 0.95, true),
            (18, 'K80.20', '38102005', 'Cholecystectomy', 0.7, true)
    ) AS catalogue (number, icd10, code, procedure, share, is_operation)
),
indicated AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY patient_no, number ORDER BY stay_no) AS time
    FROM _stay AS stay JOIN indication USING (icd10)
    WHERE omopsql.philox_uniform(seed, stay_no, 900 + number) < share
),
performed AS (
    SELECT *, row_number() OVER (PARTITION BY code ORDER BY stay_no) AS of_code
    FROM indicated
    WHERE time = 1 OR NOT is_operation
)
SELECT
    100000 + patient_no AS patient_no,
    stay_no,
    CASE WHEN code = '127783003' AND of_code IN (4, 8) THEN '9999999' ELSE code END AS snomed_code,
    procedure,
    CAST(admitted_on + CASE WHEN is_operation AND days > 1 THEN 1 ELSE 0 END AS VARCHAR) AS performed_on
FROM performed
ORDER BY stay_no, number
