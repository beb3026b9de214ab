-- The records of people in one table, each with its contact: the visit that it belongs to, or else its own day.
-- Records after death are left out.
-- reads source (person_id, concept_id, own_date, visit_id, ...): the records of one table
-- reads people (person_id, person, birth, first_day, last_day, death_day): of people.sql, numbered from 0
-- reads contacts (visit_occurrence_id, person, day, contact): of contacts.sql
-- reads items (concept_id, item): the item that each concept of the table counts as
WITH dated AS (
    SELECT
        people.person,
        people.first_day,
        people.last_day,
        people.death_day,
        CAST(source.own_date - DATE '1970-01-01' AS INTEGER) - people.birth AS own_day,
        source.* EXCLUDE (person_id, own_date)
    FROM source
    JOIN people USING (person_id)
    WHERE source.own_date IS NOT NULL
)
SELECT
    dated.person,
    coalesce(items.item, -1) AS item,
    coalesce(contacts.contact, -1) AS contact,
    CAST(coalesce(contacts.day, greatest(least(own_day, last_day), first_day)) AS INTEGER) AS day,
    CAST(own_day AS INTEGER) AS own_day,
    dated.* EXCLUDE (person, own_day, visit_id, first_day, last_day, death_day)
FROM dated
LEFT JOIN contacts ON contacts.visit_occurrence_id = dated.visit_id AND contacts.person = dated.person
LEFT JOIN items USING (concept_id)
WHERE death_day < 0 OR own_day <= death_day
