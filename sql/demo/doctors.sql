-- The doctors of the hospital.
SELECT
    'D' || lpad(CAST(number AS VARCHAR), 2, '0') AS doctor,
    CASE number % 5
        WHEN 0 THEN 'Cardiology' WHEN 1 THEN 'Internal Medicine' WHEN 2 THEN 'Oncology' WHEN 3 THEN 'Surgery'
        ELSE 'General Practice'
    END AS specialty,
    CASE WHEN number % 2 = 0 THEN 'F' ELSE 'M' END AS sex
FROM range(1, 41) AS doctors (number)
ORDER BY doctor
