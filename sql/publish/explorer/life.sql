-- One person's records in order of time
WITH first_person AS (SELECT min(person_id) AS person_id FROM condition_occurrence),
records AS (
    SELECT person_id, visit_start_date AS day, 'visit' AS kind, visit_concept_id AS concept_id, NULL AS value
    FROM visit_occurrence
    UNION ALL
    SELECT person_id, condition_start_date, 'condition', condition_concept_id, NULL
    FROM condition_occurrence
    UNION ALL
    SELECT person_id, drug_exposure_start_date, 'drug', drug_concept_id, NULL
    FROM drug_exposure
    UNION ALL
    SELECT person_id, measurement_date, 'measurement', measurement_concept_id, value_as_number
    FROM measurement
)
SELECT records.*
FROM records
JOIN first_person USING (person_id)
ORDER BY day, kind, concept_id
LIMIT 200;
