-- Samples of metastases: where the metastasis was.
-- @reads data_clinical_sample? (PATIENT_ID)
-- @reads _samples
SELECT
    source_row,
    patient_id AS person_id,
    coalesce('Metastasis ' || sample_site, 'Metastasis') AS measurement_source_value,
    CASE lower(sample_site)
        WHEN 'bone' THEN 36769301
        WHEN 'lung' THEN 36770283
        WHEN 'skin' THEN 35225673
        WHEN 'ovary' THEN 35226230
        WHEN 'pleura' THEN 35226258
        WHEN 'breast' THEN 35225556
        ELSE 36769180
    END AS measurement_concept_id,
    32879 AS measurement_type_concept_id,
    taken AS measurement_date,
    sample_site AS value_source_value
FROM _samples
WHERE lower(sample_type) = 'metastasis'
