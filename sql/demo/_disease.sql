-- Diseases and how they strike: the log odds of ever having one at 60 years, what age, traits and smoking add to them,
-- how often it leads to the hospital, and how much it shortens life. Codes are ICD-10-CM.
--
-- The rates are of the size that textbooks give for a hospital's catchment; they are no estimate of any population.
SELECT *
FROM (
    VALUES
        -- no, code, name, kind, sex, from_age, log_odds, per_decade, metabolic, smoking, frailty,
        -- contacts a year, share admitted, days of a stay, hazard ratio of death
        (1, 'I10', 'Essential hypertension', 'chronic', NULL, 25, -0.4, 0.62, 0.7, 0.1, 0.1, 0.7, 0.03, 3, 1.1),
        (2, 'E11.9', 'Type 2 diabetes mellitus', 'chronic', NULL, 30, -1.5, 0.38, 1.1, 0.2, 0.1, 1.1, 0.05, 4, 1.4),
        (3, 'E78.5', 'Hyperlipidaemia', 'chronic', NULL, 30, -0.9, 0.35, 0.7, 0.2, 0, 0.5, 0.01, 2, 1),
        (4, 'N18.3', 'Chronic kidney disease', 'chronic', NULL, 40, -2.5, 0.75, 0.7, 0.1, 0.3, 0.9, 0.08, 5, 1.6),
        (5, 'I50.9', 'Heart failure', 'chronic', NULL, 40, -3.0, 0.85, 0.5, 0.5, 0.4, 1.3, 0.22, 8, 2.6),
        (6, 'J44.9', 'COPD', 'chronic', NULL, 40, -3.3, 0.45, 0, 2.1, 0.3, 1.0, 0.15, 7, 1.9),
        (7, 'J45.909', 'Asthma', 'chronic', NULL, 3, -2.5, -0.08, 0.1, 0.1, 0, 0.6, 0.04, 3, 1),
        (8, 'I48.91', 'Atrial fibrillation', 'chronic', NULL, 40, -2.8, 0.8, 0.3, 0.1, 0.2, 0.8, 0.1, 4, 1.5),
        (9, 'F32.9', 'Major depression', 'chronic', NULL, 16, -1.9, -0.05, 0.1, 0.3, 0.3, 0.7, 0.05, 12, 1.3),
        (10, 'K21.9', 'Gastro-oesophageal reflux', 'chronic', NULL, 20, -1.7, 0.15, 0.3, 0.2, 0, 0.3, 0.01, 2, 1),
        (11, 'M19.90', 'Osteoarthritis', 'chronic', NULL, 40, -0.8, 0.6, 0.2, 0, 0.2, 0.4, 0.04, 6, 1),
        (12, 'E03.9', 'Hypothyroidism', 'chronic', 'F', 20, -2.2, 0.2, 0.1, 0, 0, 0.4, 0.01, 2, 1),
        (13, 'M81.0', 'Osteoporosis', 'chronic', 'F', 50, -1.8, 0.8, -0.3, 0.3, 0.3, 0.3, 0.02, 4, 1.1),
        (14, 'E66.9', 'Obesity', 'chronic', NULL, 10, -1.6, -0.05, 1.5, 0, 0, 0.2, 0.01, 3, 1.1),
        (15, 'D64.9', 'Anaemia', 'chronic', NULL, 18, -2.2, 0.4, 0, 0, 0.6, 0.4, 0.05, 3, 1.3),
        (21, 'C50.911', 'Breast cancer', 'cancer', 'F', 30, -2.7, 0.45, 0.1, 0.1, 0, 2.6, 0.14, 5, 3.2),
        (22, 'C61', 'Prostate cancer', 'cancer', 'M', 45, -2.8, 0.75, 0, 0, 0, 1.9, 0.08, 5, 2.2),
        (23, 'C18.9', 'Colon cancer', 'cancer', NULL, 35, -3.9, 0.65, 0.2, 0.2, 0, 2.6, 0.2, 9, 4.5),
        (24, 'C34.90', 'Lung cancer', 'cancer', NULL, 40, -5.3, 0.55, 0, 2.2, 0.1, 3.0, 0.25, 8, 12),
        (25, 'C43.9', 'Melanoma of the skin', 'cancer', NULL, 20, -4.0, 0.25, 0, 0, 0, 1.6, 0.08, 3, 2.8),
        (26, 'C56.9', 'Ovarian cancer', 'cancer', 'F', 30, -4.2, 0.4, 0, 0, 0, 2.8, 0.2, 7, 6),
        (31, 'J18.9', 'Pneumonia', 'acute', NULL, 1, -1.9, 0.25, 0, 0.5, 0.6, 0, 1, 7, 1.3),
        (32, 'I21.4', 'Myocardial infarction', 'acute', NULL, 35, -2.9, 0.55, 0.5, 0.8, 0.2, 0, 1, 6, 1.8),
        (33, 'I63.9', 'Stroke', 'acute', NULL, 35, -3.2, 0.65, 0.4, 0.5, 0.3, 0, 1, 10, 2),
        (34, 'N39.0', 'Urinary tract infection', 'acute', NULL, 1, -1.8, 0.2, 0.1, 0, 0.4, 0, 0.3, 4, 1),
        (35, 'K35.80', 'Appendicitis', 'acute', NULL, 5, -4.2, -0.35, 0, 0, 0, 0, 1, 4, 1),
        (36, 'K80.20', 'Gallstones', 'acute', NULL, 20, -2.9, 0.2, 0.3, 0, 0, 0, 0.8, 4, 1),
        (37, 'A41.9', 'Sepsis', 'acute', NULL, 1, -3.4, 0.55, 0, 0.2, 0.8, 0, 1, 11, 2),
        (38, 'K92.2', 'Gastrointestinal bleeding', 'acute', NULL, 18, -3.2, 0.45, 0, 0.2, 0.4, 0, 1, 5, 1.3),
        (39, 'N17.9', 'Acute kidney failure', 'acute', NULL, 18, -3.2, 0.55, 0.3, 0.1, 0.6, 0, 1, 8, 1.6),
        (40, 'J20.9', 'Acute bronchitis', 'acute', NULL, 1, -1.1, -0.05, 0, 0.6, 0.2, 0, 0.03, 3, 1)
) AS catalogue (
    disease_no, icd10, disease, kind, sex, from_age, log_odds, per_decade, metabolic, smoking, frailty,
    contacts, share_admitted, stay_days, hazard_ratio
)
