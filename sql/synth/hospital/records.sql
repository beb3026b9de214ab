-- The records of people in one table, each with its contact: the visit that it belongs to, or else its own day.
-- Records after death are left out. Some records go by names of their own instead of their concept, numbers below 0:
-- by concept and value if the value is a concept, by the source's code if the concept is 0. Longer texts are no codes.
-- A name that is too rare counts as a wider one: the concept without the value; the symbol that leads the code (TP53 of
-- "TP53 p.R175H"), or else the name of all rare codes.
-- reads source (person_id, concept_id, own_date, visit_id, source_code, value_id, table_number, ...): of one table
-- reads people (person_id, person, birth, first_day, last_day, death_day): of people.sql, numbered from 0
-- reads contacts (visit_occurrence_id, person, day, contact): of contacts.sql
-- reads items (concept_id, item): the item that each concept or name of the table counts as
WITH dated AS (
    SELECT
        people.person,
        people.first_day,
        people.last_day,
        people.death_day,
        CAST(source.own_date - DATE '1970-01-01' AS INTEGER) - people.birth AS own_day,
        CASE WHEN concept_id = 0 AND length(trim(source_code)) BETWEEN 1 AND 60 THEN trim(source_code) END AS code,
        CASE WHEN concept_id > 0 AND value_id > 0 THEN value_id END AS value,
        source.* EXCLUDE (person_id, own_date, source_code, value_id)
    FROM source
    JOIN people USING (person_id)
    WHERE source.own_date IS NOT NULL
),
led AS (
    SELECT
        *,
        nullif(regexp_extract(code, '^([A-Z0-9._-]*[A-Z][A-Z0-9._-]*(orf[0-9]+)?)[ :;,|/]', 1), '') AS symbol,
        CASE WHEN code IS NOT NULL THEN '' END AS rare_code
    FROM dated
),
hashed AS (
    SELECT
        *,
        -1 - CAST(md5_number_lower(table_number || '=' || concept_id || '=' || value) >> 2 AS BIGINT) AS valued_id,
        -1 - CAST(md5_number_lower(table_number || ' ' || code) >> 2 AS BIGINT) AS code_id,
        -1 - CAST(md5_number_lower(table_number || ' ' || symbol) >> 2 AS BIGINT) AS symbol_id,
        -1 - CAST(md5_number_lower(table_number || ' ' || rare_code) >> 2 AS BIGINT) AS rare_id
    FROM led
),
named AS (
    SELECT
        * EXCLUDE (concept_id, valued_id, code_id, symbol_id, rare_id, rare_code, table_number),
        concept_id AS mapped_id,
        coalesce(code_id, concept_id) AS concept_id,
        coalesce(valued_id, code_id, concept_id) AS name_id,
        CASE WHEN value IS NULL THEN symbol_id ELSE concept_id END AS wider_id,
        rare_id AS widest_id
    FROM hashed
)
SELECT
    named.person,
    coalesce(items.item, wider.item, widest.item, -1) AS item,
    coalesce(contacts.contact, -1) AS contact,
    CAST(coalesce(contacts.day, greatest(least(own_day, last_day), first_day)) AS INTEGER) AS day,
    CAST(own_day AS INTEGER) AS own_day,
    named.* EXCLUDE (person, own_day, visit_id, first_day, last_day, death_day),
    coalesce(wider.item, -1) AS wider_item,
    coalesce(widest.item, -1) AS widest_item
FROM named
LEFT JOIN contacts ON contacts.visit_occurrence_id = named.visit_id AND contacts.person = named.person
LEFT JOIN items ON items.concept_id = named.name_id
LEFT JOIN items AS wider ON wider.concept_id = named.wider_id
LEFT JOIN items AS widest ON widest.concept_id = named.widest_id
WHERE death_day < 0 OR own_day <= death_day
