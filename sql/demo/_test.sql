-- Laboratory tests: LOINC code, unit, the healthy mean of women and men, how people differ from each other and within
-- themselves, and how often the test is ordered without a reason. Tests of the scale `log` vary by factors.
SELECT *
FROM (
    VALUES
        (1, '718-7', 'Haemoglobin', 'g/dL', 'linear', 13.5, 14.8, 0.8, 0.5, 0.0, 1, 0.9, 0.4, 12, 17.5),
        (2, '6690-2', 'Leukocytes', '10*3/uL', 'log', 6.6, 6.6, 0.2, 0.14, 0.0, 1, 0.9, 0.35, 4, 10),
        (3, '777-3', 'Platelets', '10*3/uL', 'log', 250, 235, 0.19, 0.1, 0.0, 0, 0.9, 0.35, 150, 400),
        (4, '2951-2', 'Sodium', 'mmol/L', 'linear', 140, 140, 1.3, 1.5, 0.0, 0, 0.9, 0.3, 135, 145),
        (5, '2823-3', 'Potassium', 'mmol/L', 'linear', 4.2, 4.2, 0.2, 0.3, 0.0, 1, 0.9, 0.3, 3.5, 5.1),
        (6, '2160-0', 'Creatinine', 'mg/dL', 'log', 0.74, 0.92, 0.14, 0.08, 0.0, 2, 0.9, 0.4, 0.5, 1.2),
        (7, '2345-7', 'Glucose', 'mg/dL', 'log', 93, 95, 0.07, 0.11, 0.05, 0, 0.8, 0.3, 70, 110),
        (8, '1988-5', 'C-reactive protein', 'mg/L', 'log', 1.6, 1.6, 0.8, 0.5, 0.25, 1, 0.7, 0.12, 0, 5),
        (9, '4548-4', 'Haemoglobin A1c', '%', 'linear', 5.3, 5.3, 0.22, 0.15, 0.12, 1, 0.1, 0.06, 4, 6),
        (10, '13457-7', 'LDL cholesterol', 'mg/dL', 'linear', 112, 115, 22, 11, 9.0, 0, 0.1, 0.1, 0, 130),
        (11, '2085-9', 'HDL cholesterol', 'mg/dL', 'linear', 58, 48, 10, 4, -4.5, 0, 0.1, 0.1, 40, 80),
        (12, '33762-6', 'NT-proBNP', 'pg/mL', 'log', 70, 55, 0.6, 0.3, 0.0, 0, 0.08, 0.01, 0, 125),
        (13, '89579-7', 'Troponin I, high sensitivity', 'ng/L', 'log', 3, 4, 0.5, 0.3, 0.0, 1, 0.08, 0.0, 0, 34),
        (14, '1742-6', 'Alanine aminotransferase', 'U/L', 'log', 19, 26, 0.35, 0.2, 0.12, 0, 0.6, 0.15, 7, 45),
        (15, '2276-4', 'Ferritin', 'ng/mL', 'log', 55, 130, 0.6, 0.25, 0.1, 0, 0.08, 0.03, 15, 300)
) AS catalogue (
    test_no, loinc, test, unit, scale, mean_women, mean_men, between_people, within_person, metabolic, decimals,
    share_inpatient, share_outpatient, reference_low, reference_high
)
