-- The first and the last record of each person without an observation period.
-- reads record (person_id, own_date): the records of all tables
-- reads observation_period: as the CDM declares it
SELECT person_id, min(own_date) AS first_date, max(own_date) AS last_date
FROM record
ANTI JOIN (FROM observation_period WHERE observation_period_start_date IS NOT NULL) AS observed USING (person_id)
WHERE own_date IS NOT NULL
GROUP BY person_id
