-- The variables of the challenge: the LOINC code of each, and its unit. The challenge gives magnesium in mmol/L, but
-- the values are those of mg/dL.
-- @reads set_a (parameter)
SELECT *
FROM (
    VALUES
    ('Albumin', '1751-7', 'Albumin in serum', 'g/dL'),
    ('ALP', '6768-6', 'Alkaline phosphatase', 'IU/L'),
    ('ALT', '1742-6', 'Alanine transaminase', 'IU/L'),
    ('AST', '1920-8', 'Aspartate transaminase', 'IU/L'),
    ('Bilirubin', '1975-2', 'Bilirubin in serum', 'mg/dL'),
    ('BUN', '3094-0', 'Urea nitrogen in blood', 'mg/dL'),
    ('Cholesterol', '2093-3', 'Cholesterol in serum', 'mg/dL'),
    ('Creatinine', '2160-0', 'Creatinine in serum', 'mg/dL'),
    ('DiasABP', '8462-4', 'Diastolic blood pressure, invasive', 'mmHg'),
    ('FiO2', '19994-3', 'Fraction of oxygen in the air breathed in', '%'),
    ('GCS', '9269-2', 'Glasgow coma score', NULL),
    ('Glucose', '2345-7', 'Glucose in serum', 'mg/dL'),
    ('HCO3', '1963-8', 'Bicarbonate in serum', 'mmol/L'),
    ('HCT', '20570-8', 'Hematocrit', '%'),
    ('Height', '8302-2', 'Height', 'cm'),
    ('HR', '8867-4', 'Heart rate', '/min'),
    ('K', '2823-3', 'Potassium in serum', 'mEq/L'),
    ('Lactate', '32693-4', 'Lactate', 'mmol/L'),
    ('MAP', '8478-0', 'Mean blood pressure, invasive', 'mmHg'),
    ('Mg', '19123-9', 'Magnesium in serum', 'mg/dL'),
    ('Na', '2951-2', 'Sodium in serum', 'mEq/L'),
    ('NIDiasABP', '8462-4', 'Diastolic blood pressure, by cuff', 'mmHg'),
    ('NIMAP', '8478-0', 'Mean blood pressure, by cuff', 'mmHg'),
    ('NISysABP', '8480-6', 'Systolic blood pressure, by cuff', 'mmHg'),
    ('PaCO2', '2019-8', 'Carbon dioxide pressure in arterial blood', 'mmHg'),
    ('PaO2', '2703-7', 'Oxygen pressure in arterial blood', 'mmHg'),
    ('pH', '2744-1', 'pH of arterial blood', '[pH]'),
    ('Platelets', '26515-7', 'Platelets', '10*3/uL'),
    ('RespRate', '9279-1', 'Respiratory rate', '/min'),
    ('SaO2', '2708-6', 'Oxygen saturation in arterial blood', '%'),
    ('SysABP', '8480-6', 'Systolic blood pressure, invasive', 'mmHg'),
    ('Temp', '8310-5', 'Temperature', 'Cel'),
    ('TroponinI', '10839-9', 'Troponin I', 'ug/L'),
    ('TroponinT', '6598-7', 'Troponin T', 'ug/L'),
    ('Urine', '9187-6', 'Urine output', 'mL'),
    ('WBC', '26464-8', 'White blood cells', '10*3/uL'),
    ('Weight', '29463-7', 'Weight', 'kg')
) AS variable (parameter, loinc_code, description, unit)
