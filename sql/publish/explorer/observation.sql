-- Years of observation by sex
SELECT
    CASE gender_concept_id WHEN 8507 THEN 'male' WHEN 8532 THEN 'female' ELSE 'not known' END AS sex,
    count(*) AS persons,
    round(sum(observation_period_end_date - observation_period_start_date + 1) / 365.25, 0) AS years,
    min(observation_period_start_date) AS first_day,
    max(observation_period_end_date) AS last_day
FROM observation_period
JOIN person USING (person_id)
GROUP BY sex
ORDER BY sex;
