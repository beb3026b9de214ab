-- The sequencing laboratory: mutations of tumours with their place on GRCh37.
-- Dirt: chromosomes with and without `chr`; a few changes without their place, where only the gene is known.
WITH report AS (
    SELECT
        marker.*,
        greatest(marker.onset, course.first_contact) + 21 AS reported_on,
        row_number() OVER (ORDER BY marker.patient_no, marker.marker, marker.hgvs) AS number
    FROM _marker AS marker JOIN _course AS course USING (patient_no)
    WHERE marker.position IS NOT NULL AND greatest(marker.onset, course.first_contact) + 21 <= course.last_day
)
SELECT
    'M' || CAST(100000 + number AS VARCHAR) AS report_no,
    100000 + patient_no AS patient_no,
    marker AS gene,
    hgvs,
    'GRCh37' AS assembly,
    CASE WHEN number % 9 = 4 THEN 'chr' ELSE '' END || chromosome AS chromosome,
    CASE WHEN marker IN ('BRAF', 'KRAS', 'EGFR') AND number % 7 = 3 THEN NULL ELSE position END AS position,
    reference,
    alternate,
    CAST(round(3 + 55 * omopsql.philox_uniform(seed, patient_no * 100 + disease_no, 990), 1) AS DECIMAL(4, 1))
        AS allele_fraction_percent,
    CAST(reported_on AS VARCHAR) AS reported_on
FROM report
ORDER BY report_no
