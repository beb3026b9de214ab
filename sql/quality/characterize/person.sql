-- Persons by gender, year of birth, race and ethnicity, and references of theirs that lead nowhere.
-- @reads person (person_id, gender_concept_id?, year_of_birth?, race_concept_id?, ethnicity_concept_id?, provider_id?,
--     location_id?, care_site_id?)
-- @reads death? (person_id)
-- @reads provider? (provider_id)
-- @reads location? (location_id)
-- @reads care_site? (care_site_id)
WITH demographics AS MATERIALIZED (
    SELECT
        gender_concept_id,
        year_of_birth,
        race_concept_id,
        ethnicity_concept_id,
        person_id IN (SELECT person_id FROM death WHERE person_id IS NOT NULL) AS has_died,
        count(*) AS persons
    FROM person
    GROUP BY ALL
)
SELECT 'persons' AS shape, [] AS strata, NULL AS value, sum(persons) AS n
FROM demographics
UNION ALL
SELECT 'persons by gender', [gender_concept_id], NULL, sum(persons)
FROM demographics
GROUP BY ALL
UNION ALL
SELECT 'persons by year of birth', [year_of_birth], NULL, sum(persons)
FROM demographics
GROUP BY ALL
UNION ALL
SELECT 'persons by race', [race_concept_id], NULL, sum(persons)
FROM demographics
GROUP BY ALL
UNION ALL
SELECT 'persons by ethnicity', [ethnicity_concept_id], NULL, sum(persons)
FROM demographics
GROUP BY ALL
UNION ALL
SELECT 'persons by year of birth and gender', [year_of_birth, gender_concept_id], NULL, sum(persons)
FROM demographics
GROUP BY ALL
UNION ALL
SELECT 'persons alive by year of birth and gender', [year_of_birth, gender_concept_id], NULL, sum(persons)
FROM demographics
WHERE NOT has_died
GROUP BY ALL
UNION ALL
SELECT 'persons by race and ethnicity', [race_concept_id, ethnicity_concept_id], NULL, sum(persons)
FROM demographics
GROUP BY ALL
UNION ALL
SELECT 'persons of an unknown provider', [], NULL, count(*)
FROM person
ANTI JOIN provider USING (provider_id)
WHERE provider_id IS NOT NULL
UNION ALL
SELECT 'persons of an unknown location', [], NULL, count(*)
FROM person
ANTI JOIN location USING (location_id)
WHERE location_id IS NOT NULL
UNION ALL
SELECT 'persons of an unknown care site', [], NULL, count(*)
FROM person
ANTI JOIN care_site USING (care_site_id)
WHERE care_site_id IS NOT NULL
