-- Events that are recorded more than once, by event table and concept. The fingerprint of an event is made of its
-- table, person, concept, source value, start and value; that of a record of all its columns but the key. The rows that
-- are totals count the whole table. Most events are recorded once: their fingerprints are counted and forgotten.
-- @reads fingerprint (cdm_table, concept_id, event, record)
-- @reads concept? (concept_id, concept_name?)
-- @reads settings (min_cell)
WITH repeated AS (
    SELECT event
    FROM fingerprint
    GROUP BY event
    HAVING count(*) > 1
),
record AS (
    SELECT cdm_table, concept_id, event, record, count(*) AS n
    FROM fingerprint
    SEMI JOIN repeated USING (event)
    GROUP BY ALL
),
event AS (
    SELECT cdm_table, concept_id, event, sum(n) AS n, sum(n - 1) AS copies
    FROM record
    GROUP BY ALL
),
of_repeats AS (
    SELECT
        cdm_table,
        concept_id,
        0 AS records,
        count(*) AS repeated_events,
        CAST(sum(n - 1) AS BIGINT) AS repeats,
        CAST(sum(copies) AS BIGINT) AS exact_copies
    FROM event
    GROUP BY ALL
    UNION ALL
    SELECT cdm_table, concept_id, count(*), 0, 0, 0
    FROM fingerprint
    GROUP BY ALL
),
counted AS (
    SELECT
        cdm_table,
        grouping(concept_id) = 1 AS is_total,
        CAST(concept_id AS BIGINT) AS concept_id,
        CAST(sum(records) AS BIGINT) AS records,
        CAST(sum(repeated_events) AS BIGINT) AS repeated_events,
        CAST(sum(repeats) AS BIGINT) AS repeats,
        CAST(sum(exact_copies) AS BIGINT) AS exact_copies
    FROM of_repeats
    GROUP BY GROUPING SETS ((cdm_table), (cdm_table, concept_id))
)
SELECT
    cdm_table,
    counted.concept_id,
    concept_name,
    is_total,
    records,
    repeated_events,
    repeats,
    exact_copies,
    repeats / records AS repeated_share
FROM settings, counted
LEFT JOIN concept ON counted.concept_id = concept.concept_id AND NOT is_total
WHERE records >= min_cell AND (is_total OR repeats > 0)
ORDER BY cdm_table, NOT is_total, repeats DESC, counted.concept_id
