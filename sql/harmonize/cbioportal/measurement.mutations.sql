-- Mutations: "Present", with the share of reads that carry it.
-- @reads data_mutations? or data_mutations_extended or data_mutations_mskcc (Tumor_Sample_Barcode)
-- @reads _mutations
-- @reads _samples
SELECT
    m.source_row,
    s.patient_id AS person_id,
    m.name AS measurement_source_value,
    m.concept_id AS measurement_concept_id,
    CASE WHEN m.concept_id IS NULL THEN 'HGVS' END AS source_vocabulary_id,
    32879 AS measurement_type_concept_id,
    s.taken AS measurement_date,
    4181412 AS value_as_concept_id,
    round(100 * m.alternate_reads / nullif(m.reference_reads + m.alternate_reads, 0), 2) AS value_as_number,
    '%' AS unit_source_value,
    concat_ws(':', 'GRCh' || m.build, m.chromosome, m.position, m.reference || '>' || m.alternate)
        AS value_source_value,
    CASE WHEN s.sample_id IS NULL THEN 'unknown sample' END AS set_aside
FROM _mutations AS m
LEFT JOIN _samples AS s ON m.sample_id = s.sample_id
