-- Receptors of breast cancer, one row for each test with a result: of the primary tumour on the day of diagnosis (told
-- again with every sample, taken once), of the sequenced sample on the day on which it was taken.
-- @reads data_clinical_sample (ER_STATUS_PRIMARY?, ER_PCT_PRIMARY?, PR_STATUS_PRIMARY?, PR_PCT_PRIMARY?)
-- @reads data_clinical_sample (HER2_IHC_PRIMARY?, HER2_FISH_STATUS?, HER2_FISH_RATIO_PRIMARY?)
-- @reads data_clinical_sample (ER_STATUS?, PR_STATUS?, HER2_IHC_STATUS?, HER2_FISH?, HER2_FISH_RATIO?)
-- @reads _samples
WITH result AS (
    UNPIVOT (
        SELECT
            source_row, ER_STATUS_PRIMARY, ER_PCT_PRIMARY, PR_STATUS_PRIMARY, PR_PCT_PRIMARY, HER2_IHC_PRIMARY,
            HER2_FISH_STATUS, HER2_FISH_RATIO_PRIMARY, ER_STATUS, PR_STATUS, HER2_IHC_STATUS, HER2_FISH, HER2_FISH_RATIO
        FROM data_clinical_sample
    )
    ON COLUMNS(* EXCLUDE (source_row))
    INTO NAME item VALUE result
),
test AS (
    FROM (VALUES
        ('ER_STATUS_PRIMARY', '85337-4', true, NULL),
        ('ER_PCT_PRIMARY', '85329-1', true, '%'),
        ('PR_STATUS_PRIMARY', '85339-0', true, NULL),
        ('PR_PCT_PRIMARY', '85325-9', true, '%'),
        ('HER2_IHC_PRIMARY', '85319-2', true, NULL),
        ('HER2_FISH_STATUS', '85318-4', true, NULL),
        ('HER2_FISH_RATIO_PRIMARY', '49683-6', true, NULL),
        ('ER_STATUS', '85337-4', false, NULL),
        ('PR_STATUS', '85339-0', false, NULL),
        ('HER2_IHC_STATUS', '85319-2', false, NULL),
        ('HER2_FISH', '85318-4', false, NULL),
        ('HER2_FISH_RATIO', '49683-6', false, NULL)
    ) AS t (item, loinc, of_primary, unit)
)
SELECT
    s.source_row,
    s.patient_id,
    t.item,
    t.loinc,
    r.result,
    t.unit,
    CASE WHEN t.of_primary THEN s.diagnosed ELSE s.taken END AS tested
FROM result AS r
JOIN test AS t ON upper(r.item) = t.item
JOIN _samples AS s ON r.source_row = s.source_row
WHERE lower(r.result) NOT IN ('unk/nd', 'unk', 'unknown', 'not available', 'not applicable', 'test failure')
QUALIFY NOT t.of_primary OR row_number() OVER (PARTITION BY s.patient_id, t.item, r.result ORDER BY s.source_row) = 1
