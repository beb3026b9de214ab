-- Drugs by the number of persons who were given them
SELECT
    drug_concept_id,
    any_value(drug_source_value) AS such_as,
    count(DISTINCT person_id) AS persons,
    count(*) AS exposures
FROM drug_exposure
GROUP BY drug_concept_id
ORDER BY persons DESC, drug_concept_id
LIMIT 20;
