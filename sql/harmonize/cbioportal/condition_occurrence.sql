-- The tumour, once for each patient and OncoTree code. source_to_concept_map.csv leads the codes of breast cancer to
-- "Malignant tumor of breast"; the histology stays in the source value.
-- @reads data_clinical_sample? (PATIENT_ID, ONCOTREE_CODE?, CANCER_TYPE_DETAILED?)
-- @reads _patients
SELECT
    min(s.source_row) AS source_row,
    s.PATIENT_ID AS person_id,
    coalesce(s.ONCOTREE_CODE, s.CANCER_TYPE_DETAILED) AS condition_source_value,
    CASE WHEN s.ONCOTREE_CODE IS NOT NULL THEN 'OncoTree' END AS source_vocabulary_id,
    arg_min(s.CANCER_TYPE_DETAILED, s.source_row) AS source_code_description,
    p.diagnosed AS condition_start_date,
    32879 AS condition_type_concept_id
FROM data_clinical_sample AS s
LEFT JOIN _patients AS p ON s.PATIENT_ID = p.patient_id
WHERE coalesce(s.ONCOTREE_CODE, s.CANCER_TYPE_DETAILED) IS NOT NULL
GROUP BY s.PATIENT_ID, s.ONCOTREE_CODE, coalesce(s.ONCOTREE_CODE, s.CANCER_TYPE_DETAILED), p.diagnosed
