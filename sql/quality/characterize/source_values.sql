-- Source values that were mapped to no concept (concept 0), by table and column. Names are those of CDM 5.4. Like
-- Achilles, it does not look at visit_detail, whose values are mostly those of visit_occurrence.
-- @reads person? (gender_source_value?, gender_concept_id?, race_source_value?, race_concept_id?,
--     ethnicity_source_value?, ethnicity_concept_id?)
-- @reads provider? (specialty_source_value?, specialty_concept_id?, gender_source_value?, gender_concept_id?)
-- @reads visit_occurrence? (visit_source_value?, visit_concept_id?, admitted_from_source_value?,
--     admitted_from_concept_id?, discharged_to_source_value?, discharged_to_concept_id?)
-- @reads condition_occurrence? (condition_source_value?, condition_concept_id?, condition_status_source_value?,
--     condition_status_concept_id?)
-- @reads procedure_occurrence? (procedure_source_value?, procedure_concept_id?, modifier_source_value?,
--     modifier_concept_id?)
-- @reads drug_exposure? (drug_source_value?, drug_concept_id?, route_source_value?, route_concept_id?)
-- @reads device_exposure? (device_source_value?, device_concept_id?, unit_source_value?, unit_concept_id?)
-- @reads measurement? (measurement_source_value?, measurement_concept_id?, unit_source_value?, unit_concept_id?)
-- @reads observation? (observation_source_value?, observation_concept_id?, unit_source_value?, unit_concept_id?,
--     qualifier_source_value?, qualifier_concept_id?)
-- @reads specimen? (specimen_source_value?, specimen_concept_id?, unit_source_value?, unit_concept_id?,
--     anatomic_site_source_value?, anatomic_site_concept_id?, disease_status_source_value?, disease_status_concept_id?)
-- @reads death? (cause_source_value?, cause_concept_id?)
-- @reads payer_plan_period? (payer_source_value?, payer_concept_id?, plan_source_value?, plan_concept_id?,
--     sponsor_source_value?, sponsor_concept_id?, stop_reason_source_value?, stop_reason_concept_id?)
WITH unmapped AS (
    SELECT 'person' AS cdm_table, 'gender_source_value' AS field, gender_source_value AS source_value
    FROM person
    WHERE gender_concept_id = 0
    UNION ALL
    SELECT 'person', 'race_source_value', race_source_value
    FROM person
    WHERE race_concept_id = 0
    UNION ALL
    SELECT 'person', 'ethnicity_source_value', ethnicity_source_value
    FROM person
    WHERE ethnicity_concept_id = 0
    UNION ALL
    SELECT 'provider', 'specialty_source_value', specialty_source_value
    FROM provider
    WHERE specialty_concept_id = 0
    UNION ALL
    SELECT 'provider', 'gender_source_value', gender_source_value
    FROM provider
    WHERE gender_concept_id = 0
    UNION ALL
    SELECT 'visit_occurrence', 'visit_source_value', visit_source_value
    FROM visit_occurrence
    WHERE visit_concept_id = 0
    UNION ALL
    SELECT 'visit_occurrence', 'admitted_from_source_value', admitted_from_source_value
    FROM visit_occurrence
    WHERE admitted_from_concept_id = 0
    UNION ALL
    SELECT 'visit_occurrence', 'discharged_to_source_value', discharged_to_source_value
    FROM visit_occurrence
    WHERE discharged_to_concept_id = 0
    UNION ALL
    SELECT 'condition_occurrence', 'condition_source_value', condition_source_value
    FROM condition_occurrence
    WHERE condition_concept_id = 0
    UNION ALL
    SELECT 'condition_occurrence', 'condition_status_source_value', condition_status_source_value
    FROM condition_occurrence
    WHERE condition_status_concept_id = 0
    UNION ALL
    SELECT 'procedure_occurrence', 'procedure_source_value', procedure_source_value
    FROM procedure_occurrence
    WHERE procedure_concept_id = 0
    UNION ALL
    SELECT 'procedure_occurrence', 'modifier_source_value', modifier_source_value
    FROM procedure_occurrence
    WHERE modifier_concept_id = 0
    UNION ALL
    SELECT 'drug_exposure', 'drug_source_value', drug_source_value
    FROM drug_exposure
    WHERE drug_concept_id = 0
    UNION ALL
    SELECT 'drug_exposure', 'route_source_value', route_source_value
    FROM drug_exposure
    WHERE route_concept_id = 0
    UNION ALL
    SELECT 'device_exposure', 'device_source_value', device_source_value
    FROM device_exposure
    WHERE device_concept_id = 0
    UNION ALL
    SELECT 'device_exposure', 'unit_source_value', unit_source_value
    FROM device_exposure
    WHERE unit_concept_id = 0
    UNION ALL
    SELECT 'measurement', 'measurement_source_value', measurement_source_value
    FROM measurement
    WHERE measurement_concept_id = 0
    UNION ALL
    SELECT 'measurement', 'unit_source_value', unit_source_value
    FROM measurement
    WHERE unit_concept_id = 0
    UNION ALL
    SELECT 'observation', 'observation_source_value', observation_source_value
    FROM observation
    WHERE observation_concept_id = 0
    UNION ALL
    SELECT 'observation', 'unit_source_value', unit_source_value
    FROM observation
    WHERE unit_concept_id = 0
    UNION ALL
    SELECT 'observation', 'qualifier_source_value', qualifier_source_value
    FROM observation
    WHERE qualifier_concept_id = 0
    UNION ALL
    SELECT 'specimen', 'specimen_source_value', specimen_source_value
    FROM specimen
    WHERE specimen_concept_id = 0
    UNION ALL
    SELECT 'specimen', 'unit_source_value', unit_source_value
    FROM specimen
    WHERE unit_concept_id = 0
    UNION ALL
    SELECT 'specimen', 'anatomic_site_source_value', anatomic_site_source_value
    FROM specimen
    WHERE anatomic_site_concept_id = 0
    UNION ALL
    SELECT 'specimen', 'disease_status_source_value', disease_status_source_value
    FROM specimen
    WHERE disease_status_concept_id = 0
    UNION ALL
    SELECT 'death', 'cause_source_value', cause_source_value
    FROM death
    WHERE cause_concept_id = 0
    UNION ALL
    SELECT 'payer_plan_period', 'payer_source_value', payer_source_value
    FROM payer_plan_period
    WHERE payer_concept_id = 0
    UNION ALL
    SELECT 'payer_plan_period', 'plan_source_value', plan_source_value
    FROM payer_plan_period
    WHERE plan_concept_id = 0
    UNION ALL
    SELECT 'payer_plan_period', 'sponsor_source_value', sponsor_source_value
    FROM payer_plan_period
    WHERE sponsor_concept_id = 0
    UNION ALL
    SELECT 'payer_plan_period', 'stop_reason_source_value', stop_reason_source_value
    FROM payer_plan_period
    WHERE stop_reason_concept_id = 0
)
SELECT 'records by source value' AS shape, [cdm_table, field, source_value] AS strata, NULL AS value, count(*) AS n
FROM unmapped
GROUP BY ALL
