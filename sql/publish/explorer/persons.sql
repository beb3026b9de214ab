-- Persons by sex and decade of birth
SELECT
    CASE gender_concept_id WHEN 8507 THEN 'male' WHEN 8532 THEN 'female' ELSE 'not known' END AS sex,
    year_of_birth // 10 * 10 AS decade_of_birth,
    count(*) AS persons
FROM person
GROUP BY ALL
ORDER BY ALL;
