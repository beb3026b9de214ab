-- Mutations with their OMOP Genomic concept: that of the same genome build, chromosome, position, reference and
-- alternate allele. Other mutations, insertions and deletions among them, have none.
-- @reads data_mutations? (Hugo_Symbol, NCBI_Build, Chromosome, Start_Position, Reference_Allele)
-- @reads data_mutations? (Tumor_Seq_Allele1?, Tumor_Seq_Allele2, Tumor_Sample_Barcode)
-- @reads data_mutations? (Variant_Classification?, HGVSc?, HGVSp_Short?, t_ref_count?, t_alt_count?)
-- @reads oncologywg_stage_genomic? (concept_id, chromosome, pos, ref, alt, asssembly)
WITH placed AS (
    SELECT
        source_row,
        Tumor_Sample_Barcode AS sample_id,
        concat_ws(' ', Hugo_Symbol, coalesce(
            HGVSp_Short, regexp_extract(HGVSc, '[^:]+$'), Variant_Classification
        )) AS name,
        regexp_extract(NCBI_Build, '3[78]|19') AS build,
        regexp_replace(Chromosome, '^chr', '') AS chromosome,
        TRY_CAST(Start_Position AS BIGINT) AS position,
        upper(Reference_Allele) AS reference,
        upper(CASE WHEN Tumor_Seq_Allele2 = Reference_Allele THEN Tumor_Seq_Allele1 ELSE Tumor_Seq_Allele2 END)
            AS alternate,
        TRY_CAST(t_ref_count AS DOUBLE) AS reference_reads,
        TRY_CAST(t_alt_count AS DOUBLE) AS alternate_reads
    FROM data_mutations
),
genomic AS (
    SELECT
        CAST(asssembly AS VARCHAR) AS build,
        CAST(chromosome AS VARCHAR) AS chromosome,
        CAST(pos AS BIGINT) AS position,
        ref AS reference,
        alt AS alternate,
        min(CAST(concept_id AS BIGINT)) AS concept_id
    FROM oncologywg_stage_genomic
    GROUP BY ALL
)
SELECT p.*, g.concept_id
FROM (SELECT * REPLACE (CASE build WHEN '19' THEN '37' ELSE build END AS build) FROM placed) AS p
LEFT JOIN genomic AS g USING (build, chromosome, position, reference, alternate)
