-- Caregivers who charted anything, without names: their kind (MD, RN, ...) and, where told, its description.
-- @reads caregivers? (cgid, label, description)
SELECT
    source_row,
    cgid AS provider_id,
    cgid AS provider_source_value,
    CASE WHEN label IN ('MD', 'MDs') THEN 32577 ELSE 0 END AS specialty_concept_id,
    coalesce(description, label) AS specialty_source_value
FROM caregivers
