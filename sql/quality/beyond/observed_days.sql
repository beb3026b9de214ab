-- Person-days under observation in each month, of all persons together. Periods of one person that overlap count once.
-- A period that begins on day s and ends before day e adds (x - s) - (x - e) person-days before any later day x; so
-- sums of begins and ends, month by month, tell the person-days before the first of every month.
-- @reads observation_period (person_id, observation_period_start_date, observation_period_end_date)
WITH period AS (
    SELECT
        greatest(observation_period_start_date, coalesce(CAST(max(observation_period_end_date) OVER (
            PARTITION BY person_id ORDER BY observation_period_start_date, observation_period_end_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS DATE) + 1, observation_period_start_date)) AS first_day,
        observation_period_end_date AS last_day
    FROM observation_period
),
edge AS (
    SELECT first_day AS day, 1 AS persons
    FROM period
    WHERE first_day <= last_day
    UNION ALL
    SELECT last_day + 1, -1
    FROM period
    WHERE first_day <= last_day
),
edge_month AS (
    SELECT
        CAST(date_trunc('month', day) AS DATE) AS month,
        sum(persons) AS persons,
        sum(persons * (day - DATE '1970-01-01')) AS person_day_numbers
    FROM edge
    GROUP BY 1
),
calendar AS (
    SELECT CAST(unnest(generate_series(min(month), max(month) + INTERVAL 1 MONTH, INTERVAL 1 MONTH)) AS DATE) AS month
    FROM edge_month
),
until_month AS (
    SELECT
        calendar.month,
        coalesce(sum(persons) OVER earlier * (calendar.month - DATE '1970-01-01')
            - sum(person_day_numbers) OVER earlier, 0) AS person_days
    FROM calendar
    LEFT JOIN edge_month USING (month)
    WINDOW earlier AS (ORDER BY calendar.month ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT
    CAST(100 * year(month) + month(month) AS INTEGER) AS month,
    CAST(lead(person_days) OVER (ORDER BY month) - person_days AS DOUBLE) AS person_days
FROM until_month
QUALIFY lead(person_days) OVER (ORDER BY month) > person_days
ORDER BY month
