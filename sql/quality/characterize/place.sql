-- Persons, visits and care sites by where they are: state, first three digits of the postal code, place of service.
-- @reads location? (location_id, zip?, state?)
-- @reads care_site? (care_site_id, location_id?, place_of_service_concept_id?)
-- @reads person? (person_id, location_id?, care_site_id?)
-- @reads visit_occurrence? (visit_occurrence_id, care_site_id?, discharged_to_concept_id?)
SELECT 'persons by zip' AS shape, [left(zip, 3)] AS strata, NULL AS value, count(*) AS n
FROM person
JOIN location USING (location_id)
WHERE zip IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'persons by state', [state], NULL, count(*)
FROM person
JOIN location USING (location_id)
WHERE state IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'care sites by zip', [left(zip, 3)], NULL, count(DISTINCT care_site_id)
FROM care_site
JOIN location USING (location_id)
WHERE zip IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'care sites by state', [state], NULL, count(DISTINCT care_site_id)
FROM care_site
JOIN location USING (location_id)
WHERE state IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'persons by place of service', [CAST(place_of_service_concept_id AS VARCHAR)], NULL, count(*)
FROM person
JOIN care_site USING (care_site_id)
WHERE place_of_service_concept_id IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'visits by place of service', [CAST(place_of_service_concept_id AS VARCHAR)], NULL, count(*)
FROM visit_occurrence
JOIN care_site USING (care_site_id)
WHERE place_of_service_concept_id IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'care sites by place of service', [CAST(place_of_service_concept_id AS VARCHAR)], NULL, count(*)
FROM care_site
WHERE place_of_service_concept_id IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'visits by discharge', [CAST(discharged_to_concept_id AS VARCHAR)], NULL, count(*)
FROM visit_occurrence
WHERE discharged_to_concept_id <> 0
GROUP BY ALL
