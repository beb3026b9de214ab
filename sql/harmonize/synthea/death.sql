-- Deaths, on the day of the death certificate and with its cause: Synthea goes on writing records until then. Without a
-- certificate, on the date of death.
-- @reads patients (id, deathdate)
-- @reads encounters (id, start, patient, code, reasoncode?)
WITH certificate AS (
    SELECT patient, min(start) AS certified, arg_min(reasoncode, start) AS cause
    FROM encounters
    WHERE code = '308646001'  -- SNOMED CT: death certification
    GROUP BY patient
)
SELECT
    source_row,
    patients.id AS person_id,
    coalesce(certified, deathdate) AS death_datetime,
    cause AS cause_source_value,
    'SNOMED' AS source_vocabulary_id
FROM patients
LEFT JOIN certificate ON patients.id = certificate.patient
WHERE deathdate IS NOT NULL
