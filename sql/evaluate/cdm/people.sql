-- The people of a CDM, one row each, at most so many of them: who they are, and from when to when they are observed.
-- Days are counted from origin, the day of birth, or where it is unknown the first day of observation. Without an
-- observation period, a person is observed from the first record to the last. Groups are drawn by the seed.
-- @reads person (person_id, gender_concept_id?, year_of_birth?, month_of_birth?, day_of_birth?, birth_datetime?,
-- race_concept_id?, ethnicity_concept_id?)
-- @reads observation_period? (person_id, observation_period_start_date, observation_period_end_date?)
-- @reads death? (person_id, death_date)
-- @reads event (person_id, start_date)
-- @reads settings (seed, most, number_of_groups)
WITH one_person AS (
    SELECT DISTINCT ON (person_id) *
    FROM person
    WHERE person_id IS NOT NULL
    ORDER BY person_id, year_of_birth, month_of_birth, day_of_birth, gender_concept_id, race_concept_id
),
drawn AS (
    SELECT *, count(*) OVER () AS persons
    FROM one_person
    ORDER BY md5(concat(person_id, ' ', (SELECT seed FROM settings))), person_id
    LIMIT (SELECT most FROM settings)
),
born AS (
    SELECT
        *,
        coalesce(
            CAST(birth_datetime AS DATE),
            TRY(make_date(year_of_birth, coalesce(month_of_birth, 7), coalesce(day_of_birth, 1))),
            TRY(make_date(year_of_birth, 7, 1))
        ) AS birth
    FROM drawn
),
observed AS (
    SELECT
        person_id,
        min(observation_period_start_date) AS first_date,
        max(coalesce(observation_period_end_date, observation_period_start_date)) AS last_date
    FROM observation_period
    WHERE observation_period_start_date IS NOT NULL
    GROUP BY person_id
),
recorded AS (
    SELECT person_id, min(start_date) AS first_date, max(start_date) AS last_date
    FROM event
    ANTI JOIN observed USING (person_id)
    WHERE start_date IS NOT NULL
    GROUP BY person_id
),
died AS (
    SELECT person_id, min(death_date) AS death_date
    FROM death
    WHERE death_date IS NOT NULL
    GROUP BY person_id
),
lived AS (
    SELECT
        born.*,
        death_date,
        coalesce(observed.first_date, recorded.first_date, birth, DATE '1970-01-01') AS first_date,
        coalesce(observed.last_date, recorded.last_date, birth, DATE '1970-01-01') AS last_date
    FROM born
    LEFT JOIN observed USING (person_id)
    LEFT JOIN recorded USING (person_id)
    LEFT JOIN died USING (person_id)
),
counted AS (
    SELECT *, coalesce(birth, first_date) AS origin_date FROM lived
)
SELECT
    person_id,
    CAST(row_number() OVER (ORDER BY person_id) - 1 AS INTEGER) AS person,
    CAST(md5_number_lower(concat(seed, ' ', person_id)) % number_of_groups AS INTEGER) AS group_number,
    CASE gender_concept_id WHEN 8532 THEN 0 WHEN 8507 THEN 1 ELSE 2 END AS sex,
    coalesce(race_concept_id, 0) AS race,
    coalesce(ethnicity_concept_id, 0) AS ethnicity,
    CAST(year(birth) AS DOUBLE) AS year_of_birth,
    CAST(origin_date - DATE '1970-01-01' AS INTEGER) AS origin,
    CAST(greatest(first_date - origin_date, 0) AS INTEGER) AS first_day,
    CAST(greatest(last_date - origin_date, first_date - origin_date, 1) AS INTEGER) AS last_day,
    CAST(CASE WHEN death_date IS NULL THEN -1 ELSE greatest(death_date - origin_date, 0) END AS INTEGER) AS death_day,
    persons
FROM counted, settings
ORDER BY person_id
