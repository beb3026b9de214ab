-- Rows of microbiology, with the specimen that they belong to. A specimen has one row without an organism, if nothing
-- grew, or for each organism one row, or one for each antibiotic that it was tested against.
-- @reads microbiologyevents? (subject_id, hadm_id, chartdate, charttime, spec_itemid, spec_type_desc, org_itemid)
-- @reads microbiologyevents? (org_name, isolate_num, ab_itemid, ab_name, dilution_text, dilution_comparison)
-- @reads microbiologyevents? (dilution_value, interpretation)
SELECT
    *,
    CAST(coalesce(TRY_CAST(charttime AS TIMESTAMP), TRY_CAST(chartdate AS TIMESTAMP)) AS DATE) AS taken_on,
    TRY_CAST(charttime AS TIMESTAMP) AS taken_at,
    concat_ws(' ', 'specimen', subject_id, hadm_id, coalesce(charttime, chartdate), spec_itemid) AS specimen,
    row_number() OVER (
        PARTITION BY subject_id, hadm_id, chartdate, charttime, spec_itemid, org_itemid, isolate_num ORDER BY source_row
    ) = 1 AS names_organism
FROM microbiologyevents
