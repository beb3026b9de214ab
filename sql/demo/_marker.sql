-- What the tumours carry: hormone receptors, HER2 and mutations. Of the markers of one line a tumour has at most one.
-- Mutations are well-known single-nucleotide changes; positions are on GRCh37.
WITH catalogue AS (
    SELECT *
    FROM (
        VALUES
            ('C50.911', 'ER', 1, 0.0, 0.78, NULL, NULL, NULL, NULL, NULL),
            ('C50.911', 'HER2', 2, 0.0, 0.16, NULL, NULL, NULL, NULL, NULL),
            ('C50.911', 'PIK3CA', 3, 0.0, 0.14, 'p.H1047R', '3', 178952085, 'A', 'G'),
            ('C50.911', 'PIK3CA', 3, 0.14, 0.22, 'p.E545K', '3', 178936091, 'G', 'A'),
            ('C50.911', 'PIK3CA', 3, 0.22, 0.27, 'p.E542K', '3', 178936082, 'G', 'A'),
            ('C50.911', 'TP53', 4, 0.0, 0.08, 'p.R175H', '17', 7578406, 'C', 'T'),
            ('C50.911', 'AKT1', 4, 0.08, 0.13, 'p.E17K', '14', 105246551, 'C', 'T'),
            ('C50.911', 'ESR1', 5, 0.0, 0.06, 'p.D538G', '6', 152419926, 'A', 'G'),
            ('C50.911', 'ERBB2', 5, 0.06, 0.09, 'p.L755S', '17', 37880220, 'T', 'C'),
            ('C34.90', 'EGFR', 1, 0.0, 0.15, 'p.L858R', '7', 55259515, 'T', 'G'),
            ('C34.90', 'KRAS', 1, 0.15, 0.3, 'p.G12C', '12', 25398285, 'C', 'A'),
            ('C34.90', 'TP53', 2, 0.0, 0.2, 'p.R273H', '17', 7577120, 'C', 'T'),
            ('C18.9', 'KRAS', 1, 0.0, 0.18, 'p.G12D', '12', 25398284, 'C', 'T'),
            ('C18.9', 'KRAS', 1, 0.18, 0.28, 'p.G12V', '12', 25398284, 'C', 'A'),
            ('C18.9', 'BRAF', 1, 0.28, 0.37, 'p.V600E', '7', 140453136, 'A', 'T'),
            ('C18.9', 'TP53', 2, 0.0, 0.15, 'p.R248Q', '17', 7577538, 'C', 'T'),
            ('C43.9', 'BRAF', 1, 0.0, 0.45, 'p.V600E', '7', 140453136, 'A', 'T'),
            ('C43.9', 'NRAS', 1, 0.45, 0.62, 'p.Q61R', '1', 115256529, 'T', 'C'),
            ('C56.9', 'TP53', 1, 0.0, 0.25, 'p.R175H', '17', 7578406, 'C', 'T')
    ) AS markers (icd10, marker, line, low, high, hgvs, chromosome, position, reference, alternate)
),
tumour AS (
    SELECT person.seed, illness.patient_no, illness.disease_no, illness.icd10, illness.onset
    FROM _illness AS illness JOIN _person AS person USING (patient_no)
    WHERE illness.kind = 'cancer'
)
SELECT tumour.*, marker, hgvs, chromosome, position, reference, alternate
FROM tumour JOIN catalogue USING (icd10)
WHERE omopsql.philox_uniform(seed, patient_no * 1000 + disease_no * 10 + line, 300) BETWEEN low AND high
