-- Every contact with the hospital: routine visits, acute events, last stays; each for a main reason.
WITH rate AS (
    SELECT course.*, least(6, 0.5 + coalesce(sum(illness.contacts), 0)) AS a_year
    FROM _course AS course LEFT JOIN _illness AS illness USING (patient_no)
    GROUP BY ALL
),
routine_day AS (
    SELECT
        rate.* EXCLUDE (a_year),
        patient_no * 100 + visit AS draw,
        first_contact + CAST(sum(CASE visit WHEN 0 THEN 0 ELSE 1 + floor(
            -365.25 * ln(omopsql.philox_uniform(seed, patient_no * 100 + visit, 200)) / a_year) END)
            OVER (PARTITION BY patient_no ORDER BY visit) AS INTEGER) AS admitted_on
    FROM rate CROSS JOIN range(0, 60) AS visits (visit)
),
reason AS (
    SELECT
        day.*,
        illness.* EXCLUDE (patient_no),
        -- the smallest of exponential times chooses a disease in proportion to its contacts
        row_number() OVER (PARTITION BY day.draw ORDER BY
            -ln(omopsql.philox_uniform(seed, day.draw, 210 + illness.disease_no)) / illness.contacts) AS place
    FROM routine_day AS day
    LEFT JOIN _illness AS illness
        ON illness.patient_no = day.patient_no AND illness.onset <= day.admitted_on AND illness.kind <> 'acute'
    WHERE day.admitted_on <= day.last_day
),
routine AS (
    SELECT
        * EXCLUDE (place, icd10),
        CASE WHEN icd10 IS NULL OR omopsql.philox_uniform(seed, draw, 201) < 0.08 THEN 'Z00.00' ELSE icd10 END AS icd10,
        coalesce(share_admitted, 0) AS admission,
        0 AS origin
    FROM reason
    WHERE place = 1
),
acute AS (
    SELECT course.*, patient_no * 100 + disease_no AS draw, onset AS admitted_on, illness.* EXCLUDE (patient_no),
        share_admitted AS admission, 1 AS origin
    FROM _illness AS illness JOIN _course AS course USING (patient_no)
    WHERE kind = 'acute' AND onset <= last_day
),
last_stay AS (
    SELECT
        course.*,
        patient_no * 100 + 99 AS draw,
        greatest(first_contact, death_date
            - CAST(ceil(-6 * ln(omopsql.philox_uniform(seed, patient_no, 30))) AS INTEGER)) AS admitted_on,
        illness.* EXCLUDE (patient_no),
        1.0 AS admission,
        2 AS origin
    FROM _course AS course JOIN _illness AS illness USING (patient_no)
    WHERE death_date IS NOT NULL AND onset <= death_date AND omopsql.philox_uniform(seed, patient_no, 31) < 0.65
    QUALIFY row_number() OVER (PARTITION BY patient_no ORDER BY hazard_ratio DESC, disease_no) = 1
),
contact AS (
    SELECT * FROM routine UNION ALL BY NAME SELECT * FROM acute UNION ALL BY NAME SELECT * FROM last_stay
),
ward AS (
    SELECT
        *,
        CASE
            WHEN icd10 <> 'Z00.00' AND omopsql.philox_uniform(seed, draw, 202 + 5 * origin) < admission THEN 'inpatient'
            WHEN origin = 1 THEN 'emergency'
            ELSE 'outpatient'
        END AS class
    FROM contact
),
length AS (
    SELECT
        *,
        CASE
            WHEN class <> 'inpatient' THEN 0
            WHEN origin = 2 THEN date_diff('day', admitted_on, death_date)
            ELSE least(
                60,
                date_diff('day', admitted_on, last_day),
                ceil(-0.7 * stay_days * ln(omopsql.philox_uniform(seed, draw, 203 + 5 * origin)) + 0.3 * stay_days)
            )
        END AS days
    FROM ward
)
SELECT
    500000 + row_number() OVER (ORDER BY admitted_on, patient_no, origin, draw) AS stay_no,
    seed,
    patient_no,
    class,
    origin,
    icd10,
    admitted_on,
    admitted_on + CAST(days AS INTEGER) AS discharged_on,
    CAST(days AS INTEGER) AS days,
    origin = 2 AS is_last
FROM length
