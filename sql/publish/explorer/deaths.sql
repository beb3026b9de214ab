-- Deaths by age at death
SELECT
    (year(death_date) - year_of_birth) // 10 * 10 AS age_from,
    count(*) AS deaths
FROM death
JOIN person USING (person_id)
GROUP BY age_from
ORDER BY age_from;
