-- The rows of the table person beside each person's number, with how exactly the birth is told.
-- reads person: as the CDM declares it
-- reads people (person_id, person, ...): of people.sql, numbered from 0
SELECT
    people.person,
    person.*,
    CASE
        WHEN person.birth_datetime IS NOT NULL THEN 'time'
        WHEN person.day_of_birth IS NOT NULL THEN 'day'
        WHEN person.month_of_birth IS NOT NULL THEN 'month'
        ELSE 'year'
    END AS birth_told
FROM person
JOIN people USING (person_id)
ORDER BY people.person
