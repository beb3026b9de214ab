-- Estrogen and progesterone receptors and HER2: positive is "Present", negative "Not present".
-- @reads data_clinical_sample? (PATIENT_ID)
-- @reads _tests
SELECT
    source_row,
    patient_id AS person_id,
    item AS measurement_source_value,
    loinc AS source_code,
    'LOINC' AS source_vocabulary_id,
    32879 AS measurement_type_concept_id,
    tested AS measurement_date,
    TRY_CAST(result AS DOUBLE) AS value_as_number,
    unit AS unit_source_value,
    result AS value_source_value,
    CASE result WHEN 'Positive' THEN 4181412 WHEN 'Negative' THEN 45878588 END AS value_as_concept_id
FROM _tests
