-- Persons under observation in each year and month, for the whole of it or for a day at least. Whole months, and years
-- by
-- gender and age decile, are those in which some period starts; the others run from the first period to the last.
-- @reads observation_period (person_id, observation_period_start_date, observation_period_end_date)
-- @reads person (person_id, gender_concept_id, year_of_birth)
WITH period AS MATERIALIZED (
    SELECT DISTINCT
        person_id,
        observation_period_start_date AS start_date,
        observation_period_end_date AS end_date,
        year(observation_period_start_date) AS start_year,
        year(observation_period_end_date) AS end_year
    FROM observation_period
    WHERE observation_period_start_date <= observation_period_end_date
),
calendar_year AS MATERIALIZED (
    SELECT
        CAST(year AS INTEGER) AS year,
        make_date(year, 1, 1) AS first_day,
        make_date(year, 12, 31) AS last_day,
        year IN (SELECT start_year FROM period) AS has_start
    FROM range(1900, 2100) AS years (year)
    WHERE year BETWEEN (SELECT min(start_year) FROM period) AND (SELECT max(end_year) FROM period)
),
calendar_month AS MATERIALIZED (
    SELECT
        100 * year + month AS month,
        make_date(year, month, 1) AS first_day,
        last_day(make_date(year, month, 1)) AS last_day,
        make_date(year, month, 1) IN (SELECT date_trunc('month', start_date) FROM period) AS has_start
    FROM calendar_year, range(1, 13) AS months (month)
)
SELECT 'persons in the whole year' AS shape, [year] AS strata, NULL AS value, count(DISTINCT person_id) AS n
FROM period
JOIN calendar_year ON period.start_date <= first_day AND period.end_date >= last_day
GROUP BY ALL
UNION ALL
SELECT 'persons in the whole month', [month], NULL, count(DISTINCT person_id)
FROM period
JOIN calendar_month ON has_start AND period.start_date <= first_day AND period.end_date >= last_day
GROUP BY ALL
UNION ALL
SELECT 'persons in the month', [month], NULL, count(DISTINCT person_id)
FROM period
JOIN calendar_month ON period.start_date <= last_day AND period.end_date >= first_day
GROUP BY ALL
UNION ALL
SELECT
    'persons in the year by gender and age decile',
    [year, gender_concept_id, CAST(floor((year - year_of_birth) / 10) AS BIGINT)],
    NULL,
    count(DISTINCT person_id)
FROM period
JOIN calendar_year ON has_start AND year BETWEEN start_year AND end_year
JOIN person USING (person_id)
GROUP BY ALL
