-- Visits by year and kind
SELECT
    year(visit_start_date) AS year,
    CASE visit_concept_id
        WHEN 9201 THEN 'inpatient'
        WHEN 9202 THEN 'outpatient'
        WHEN 9203 THEN 'emergency'
        WHEN 262 THEN 'emergency and inpatient'
        ELSE visit_concept_id::VARCHAR
    END AS kind,
    count(*) AS visits,
    round(avg(visit_end_date - visit_start_date), 1) AS days_on_average
FROM visit_occurrence
GROUP BY ALL
ORDER BY ALL;
