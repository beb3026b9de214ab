-- Menopausal status at diagnosis.
-- @reads data_clinical_patient (PATIENT_ID, MENOPAUSAL_STATUS_AT_DIAGNOSIS?)
-- @reads _patients
SELECT
    c.source_row,
    c.PATIENT_ID AS person_id,
    'MENOPAUSAL_STATUS_AT_DIAGNOSIS ' || c.MENOPAUSAL_STATUS_AT_DIAGNOSIS AS observation_source_value,
    CASE c.MENOPAUSAL_STATUS_AT_DIAGNOSIS WHEN 'Post' THEN '76498008' END AS source_code,
    CASE c.MENOPAUSAL_STATUS_AT_DIAGNOSIS WHEN 'Post' THEN 'SNOMED' END AS source_vocabulary_id,
    c.MENOPAUSAL_STATUS_AT_DIAGNOSIS AS value_as_string,
    p.diagnosed AS observation_date,
    32879 AS observation_type_concept_id
FROM data_clinical_patient AS c
JOIN _patients AS p ON c.source_row = p.source_row
WHERE c.MENOPAUSAL_STATUS_AT_DIAGNOSIS IN ('Pre', 'Peri', 'Post')
