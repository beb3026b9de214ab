-- The wards and clinics of the hospital.
SELECT *
FROM (
    VALUES
        ('MED', 'Internal Medicine', 'inpatient'),
        ('CAR', 'Cardiology', 'inpatient'),
        ('ONC', 'Oncology', 'inpatient'),
        ('SUR', 'Surgery', 'inpatient'),
        ('PSY', 'Psychiatry', 'inpatient'),
        ('ICU', 'Intensive Care', 'inpatient'),
        ('EMR', 'Emergency Department', 'emergency'),
        ('OUT', 'Outpatient Clinic', 'outpatient')
) AS wards (ward, name, kind)
