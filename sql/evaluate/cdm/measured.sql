-- Numbers that were measured: whose, which concept in which unit, and in which minute since the person's origin.
-- @reads measurement? (person_id, measurement_concept_id, unit_concept_id?, measurement_date, measurement_datetime?,
-- value_as_number)
-- @reads people (person_id, person, origin)
SELECT
    person,
    CAST(measurement_concept_id AS BIGINT) AS concept_id,
    CAST(coalesce(unit_concept_id, 0) AS BIGINT) AS unit_concept_id,
    date_diff(
        'minute',
        TIMESTAMP '1970-01-01',
        coalesce(measurement_datetime, CAST(measurement_date AS TIMESTAMP))
    ) - CAST(origin AS BIGINT) * 1440 AS minute,
    CAST(value_as_number AS DOUBLE) AS value
FROM measurement
JOIN people USING (person_id)
WHERE measurement_concept_id > 0 AND measurement_date IS NOT NULL AND isfinite(value_as_number)
ORDER BY person, concept_id, unit_concept_id, minute, value
