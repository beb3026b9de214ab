-- Providers by specialty, and the visits they saw.
-- @reads provider (provider_id, specialty_concept_id?, specialty_source_concept_id?)
-- @reads visit_occurrence? (provider_id, visit_concept_id)
SELECT 'providers' AS shape, [] AS strata, NULL AS value, count(DISTINCT provider_id) AS n
FROM provider
UNION ALL
SELECT 'providers by specialty', [specialty_concept_id], NULL, count(DISTINCT provider_id)
FROM provider
GROUP BY ALL
UNION ALL
SELECT 'visits by specialty and visit concept', [specialty_concept_id, visit_concept_id], NULL, count(*)
FROM provider
JOIN visit_occurrence USING (provider_id)
GROUP BY ALL
UNION ALL
SELECT 'providers by source specialty', [specialty_source_concept_id], NULL, count(*)
FROM provider
GROUP BY ALL
