-- What the claim of an encounter cost, by visit.
-- @reads encounters (id, total_claim_cost?, payer_coverage?)
-- @reads _encounters
SELECT
    source_row,
    omopsql.stable_key(visit_occurrence_id) AS cost_event_id,
    'Visit' AS cost_domain_id,
    32814 AS cost_type_concept_id,  -- EHR administration
    44818668 AS currency_concept_id,  -- US dollar
    total_claim_cost AS total_charge,
    payer_coverage AS paid_by_payer,
    TRY_CAST(total_claim_cost AS DOUBLE) - TRY_CAST(payer_coverage AS DOUBLE) AS paid_by_patient
FROM encounters
JOIN _encounters ON id = encounter_id
