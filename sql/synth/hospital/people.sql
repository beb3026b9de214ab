-- The people of a CDM: one row a person, days counted from birth. Persons whose birth is unknown, and persons with
-- neither an observation period nor a record, keep NULL where it is missing.
-- reads person, observation_period, death: as the CDM declares them
-- reads record_span (person_id, first_date, last_date): first and last record of persons without observation period
WITH one_person AS (
    SELECT DISTINCT ON (person_id) *
    FROM person
    WHERE person_id IS NOT NULL
    ORDER BY person_id, year_of_birth, month_of_birth, day_of_birth, gender_concept_id, race_concept_id
),
born AS (
    SELECT
        person_id,
        coalesce(gender_concept_id, 0) AS sex,
        coalesce(race_concept_id, 0) AS race,
        coalesce(ethnicity_concept_id, 0) AS ethnicity,
        coalesce(
            TRY(make_date(year_of_birth, month_of_birth, day_of_birth)),
            CAST(birth_datetime AS DATE),
            TRY(make_date(year_of_birth, month_of_birth, 15)),
            TRY(make_date(year_of_birth, 7, 1))
        ) AS birth
    FROM one_person
),
observed AS (
    SELECT
        person_id,
        min(observation_period_start_date) AS first_date,
        max(coalesce(observation_period_end_date, observation_period_start_date)) AS last_date,
        count(*) AS periods
    FROM observation_period
    WHERE observation_period_start_date IS NOT NULL
    GROUP BY person_id
),
died AS (
    SELECT person_id, min(death_date) AS death_date
    FROM death
    WHERE death_date IS NOT NULL
    GROUP BY person_id
),
counted AS (
    SELECT
        born.*,
        coalesce(observed.periods, 0) AS periods,
        coalesce(observed.first_date, record_span.first_date, died.death_date) - birth AS first_seen,
        coalesce(observed.last_date, record_span.last_date, died.death_date) - birth AS last_seen,
        CASE WHEN died.death_date IS NOT NULL THEN greatest(died.death_date - birth, 0) ELSE -1 END AS death_day
    FROM born
    LEFT JOIN observed USING (person_id)
    LEFT JOIN record_span USING (person_id)
    LEFT JOIN died USING (person_id)
),
alive AS (
    SELECT
        *,
        CASE WHEN first_seen IS NOT NULL THEN greatest(first_seen, 0) END AS first_day,
        CASE WHEN death_day >= 0 THEN death_day ELSE 2147483647 END AS last_alive
    FROM counted
)
SELECT
    person_id,
    sex,
    race,
    ethnicity,
    CAST(birth - DATE '1970-01-01' AS INTEGER) AS birth,
    CAST(CASE WHEN first_day IS NOT NULL THEN least(first_day, last_alive) END AS INTEGER) AS first_day,
    CAST(CASE WHEN first_day IS NOT NULL THEN least(greatest(first_day, last_seen), last_alive) END AS INTEGER)
        AS last_day,
    CAST(death_day AS INTEGER) AS death_day,
    CAST(periods AS INTEGER) AS periods
FROM alive
ORDER BY person_id
