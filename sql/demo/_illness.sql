-- Which of the diseases each person gets, and when.
WITH risk AS (
    SELECT
        person.*,
        disease.* EXCLUDE (metabolic, smoking, frailty),
        date_diff('day', birth_date, DATE '2022-01-01') / 365.25 AS age_in_2022,
        CASE person.smoking WHEN 'current' THEN 1.0 WHEN 'former' THEN 0.5 ELSE 0.0 END AS smoked,
        disease.log_odds + disease.metabolic * person.metabolic + disease.frailty * person.frailty AS traits,
        disease.smoking AS per_smoking,
        patient_no * 100 + disease_no AS draw
    FROM _person AS person CROSS JOIN _disease AS disease
    WHERE disease.sex IS NULL OR (disease.sex = 'F') = person.is_female
),
struck AS (
    SELECT
        *,
        CASE kind
            WHEN 'acute' THEN first_contact + CAST(floor(omopsql.philox_uniform(seed, draw, 101)
                * date_diff('day', first_contact, DATE '2026-01-01')) AS INTEGER)
            ELSE DATE '2013-01-01' + CAST(floor(4740 * omopsql.philox_uniform(seed, draw, 101)) AS INTEGER)
        END AS onset
    FROM risk
    WHERE omopsql.philox_uniform(seed, draw, 100)
        < 1 / (1 + exp(-(traits + per_smoking * smoked + per_decade * (age_in_2022 - 60) / 10)))
)
SELECT patient_no, disease_no, icd10, kind, onset, contacts, share_admitted, stay_days, hazard_ratio
FROM struck
WHERE date_diff('day', birth_date, onset) >= 365.25 * from_age
