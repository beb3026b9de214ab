-- Costs of drug exposures and of procedures, by their concept; and the cost records of procedures by revenue code.
-- @reads cost (cost_event_id, cost_domain_id, total_cost?, total_paid?, paid_by_payer?, paid_by_patient?,
--     paid_by_primary?, paid_patient_copay?, paid_patient_coinsurance?, paid_patient_deductible?,
--     paid_ingredient_cost?, paid_dispensing_fee?, revenue_code_concept_id?)
-- @reads drug_exposure? (drug_exposure_id, drug_concept_id)
-- @reads procedure_occurrence? (procedure_occurrence_id, procedure_concept_id)
WITH costed AS MATERIALIZED (
    SELECT 'drug' AS domain, drug_concept_id AS concept_id, cost.*
    FROM cost
    JOIN drug_exposure ON cost_event_id = drug_exposure_id
    WHERE cost_domain_id = 'Drug'
    UNION ALL
    SELECT 'procedure', procedure_concept_id, cost.*
    FROM cost
    JOIN procedure_occurrence ON cost_event_id = procedure_occurrence_id
    WHERE cost_domain_id = 'Procedure'
),
amount AS (
    UNPIVOT costed
    ON
        total_cost, total_paid, paid_by_payer, paid_by_patient, paid_by_primary, paid_patient_copay,
        paid_patient_coinsurance, paid_patient_deductible, paid_ingredient_cost, paid_dispensing_fee
    INTO NAME kind VALUE amount
)
SELECT kind || ' by ' || domain AS shape, [concept_id] AS strata, amount AS value, count(*) AS n
FROM amount
GROUP BY ALL
UNION ALL
SELECT 'records by revenue code', [revenue_code_concept_id], NULL, count(*)
FROM costed
WHERE domain = 'procedure' AND revenue_code_concept_id IS NOT NULL
GROUP BY ALL
