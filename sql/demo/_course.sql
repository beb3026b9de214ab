-- How long each person is seen: from the first contact to death or to the end of 2025.
-- The hazard of death follows Gompertz's law in age, times a ratio for smoking, frailty and each disease.
WITH burden AS (
    SELECT patient_no, product(hazard_ratio ORDER BY disease_no) AS hazard_ratio
    FROM _illness
    WHERE onset < DATE '2022-01-01'
    GROUP BY patient_no
),
hazard AS (
    SELECT
        person.*,
        exp(-10.4 + 0.09 * date_diff('day', birth_date, first_contact) / 365.25 + 0.3 * frailty)
            * CASE smoking WHEN 'current' THEN 1.6 ELSE 1 END
            * coalesce(burden.hazard_ratio, 1) AS a_year
    FROM _person AS person LEFT JOIN burden USING (patient_no)
),
lifetime AS (
    SELECT
        *,
        first_contact + CAST(least(20000, 1 + floor(
            -365.25 * ln(omopsql.philox_uniform(seed, patient_no, 20)) / a_year)) AS INTEGER) AS last_day_of_life
    FROM hazard
)
SELECT
    * EXCLUDE (a_year, last_day_of_life),
    CASE WHEN last_day_of_life <= DATE '2025-12-31' THEN last_day_of_life END AS death_date,
    least(last_day_of_life, DATE '2025-12-31') AS last_day
FROM lifetime
