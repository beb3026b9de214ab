-- Who insured a patient, and when. Older exports give years where newer ones give moments.
-- @reads payer_transitions? (patient, payer, start_date?, end_date?, start_year?, end_year?)
-- @reads payers? (id, name)
WITH transition AS (
    SELECT *, coalesce(start_date, start_year) AS starts, coalesce(end_date, end_year) AS ends FROM payer_transitions
)
SELECT
    transition.source_row,
    patient AS person_id,
    CASE WHEN length(starts) = 4 THEN starts || '-01-01' ELSE starts END AS payer_plan_period_start_date,
    CASE WHEN length(ends) = 4 THEN ends || '-12-31' ELSE ends END AS payer_plan_period_end_date,
    payer AS payer_source_value,
    payers.name AS plan_source_value
FROM transition
LEFT JOIN payers ON payer = payers.id
