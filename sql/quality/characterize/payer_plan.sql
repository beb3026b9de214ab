-- Payer plan periods: length of the first one, when they start and end, whole years and months of cover, and those that
-- break a rule. Years and months are those in which some plan starts.
-- @reads payer_plan_period (person_id, payer_plan_period_start_date, payer_plan_period_end_date,
--     payer_source_concept_id?)
-- @reads person (person_id, gender_concept_id, year_of_birth)
WITH plan AS MATERIALIZED (
    SELECT
        person_id,
        payer_plan_period_start_date AS start_date,
        payer_plan_period_end_date AS end_date,
        payer_source_concept_id,
        gender_concept_id,
        year_of_birth,
        payer_plan_period_end_date - payer_plan_period_start_date AS days,
        CAST(floor((year(payer_plan_period_start_date) - year_of_birth) / 10) AS BIGINT) AS age_decile,
        row_number() OVER (
            PARTITION BY person_id ORDER BY payer_plan_period_start_date, payer_plan_period_end_date
        ) AS place
    FROM payer_plan_period
    JOIN person USING (person_id)
),
start_year AS (
    SELECT DISTINCT year(start_date) AS year
    FROM plan
    WHERE start_date IS NOT NULL
),
start_month AS (
    SELECT DISTINCT CAST(date_trunc('month', start_date) AS DATE) AS first_day
    FROM plan
    WHERE start_date IS NOT NULL
),
plans_each AS (
    SELECT max(place) AS plans
    FROM plan
    GROUP BY person_id
)
SELECT 'days by gender' AS shape, [gender_concept_id] AS strata, days AS value, count(*) AS n
FROM plan
WHERE place = 1 AND days IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'days by age decile', [age_decile], days, count(*)
FROM plan
WHERE place = 1 AND days IS NOT NULL
GROUP BY ALL
UNION ALL
SELECT 'persons by length in 30 days', [days // 30], NULL, count(*)
FROM plan
WHERE place = 1
GROUP BY ALL
UNION ALL
SELECT 'persons covered the whole year', [year], NULL, count(DISTINCT person_id)
FROM plan
JOIN start_year ON plan.start_date <= make_date(year, 1, 1) AND plan.end_date >= make_date(year, 12, 31)
GROUP BY ALL
UNION ALL
SELECT
    'persons covered the whole month',
    [100 * year(first_day) + month(first_day)],
    NULL,
    count(DISTINCT person_id)
FROM plan
JOIN start_month ON plan.start_date <= first_day AND plan.end_date >= last_day(first_day)
GROUP BY first_day
UNION ALL
SELECT 'persons by start month', [100 * year(start_date) + month(start_date)], NULL, count(DISTINCT person_id)
FROM plan
GROUP BY ALL
UNION ALL
SELECT 'persons by end month', [100 * year(end_date) + month(end_date)], NULL, count(DISTINCT person_id)
FROM plan
GROUP BY ALL
UNION ALL
SELECT 'persons by number of plans', [plans], NULL, count(*)
FROM plans_each
GROUP BY ALL
UNION ALL
SELECT 'persons with a plan before birth', [], NULL, count(DISTINCT person_id)
FROM plan
WHERE year(start_date) < year_of_birth
UNION ALL
SELECT 'persons with a plan that ends before it starts', [], NULL, count(DISTINCT person_id)
FROM plan
WHERE end_date < start_date
UNION ALL
SELECT 'plans by source payer', [payer_source_concept_id], NULL, count(*)
FROM payer_plan_period
GROUP BY ALL
