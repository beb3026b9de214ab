-- Mutations, found by their place on GRCh37 in source_to_concept_map.csv; without a place, by their gene.
-- The value is the share of reads that carry the change.
-- @reads mutations (patient_no, gene, hgvs, assembly, chromosome, position, reference, alternate, reported_on)
-- @reads mutations (allele_fraction_percent?)
SELECT
    source_row,
    patient_no AS person_id,
    CASE
        WHEN position IS NULL THEN gene
        ELSE concat_ws(':', assembly, replace(chromosome, 'chr', ''), position, reference, alternate)
    END AS source_code,
    gene || ' ' || hgvs AS measurement_source_value,
    gene || ' ' || hgvs AS source_code_description,
    'Demo mutation' AS source_vocabulary_id,
    reported_on AS measurement_date,
    allele_fraction_percent AS value_as_number,
    '%' AS unit_source_value,
    32856 AS measurement_type_concept_id
FROM mutations
