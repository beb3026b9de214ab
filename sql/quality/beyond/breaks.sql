-- The breaks of all series: each segment against the one before it. Rates are persons with a record in a month per
-- 1,000 persons under observation. A side with few persons, but not none, is withheld, and with it what would tell it.
-- @reads segment (cdm_table, concept_id, first_month, last_month, count, person_months, dispersion, evidence, p_value)
-- @reads persons (cdm_table, concept_id, first_month, persons)
-- @reads event_table (cdm_table, name)
-- @reads concept? (concept_id, concept_name?, vocabulary_id?)
-- @reads settings (min_cell)
WITH side AS (
    SELECT segment.*, coalesce(persons, 0) AS persons, 1000 * count / person_months AS rate
    FROM segment
    LEFT JOIN persons USING (cdm_table, concept_id, first_month)
),
two_sides AS (
    SELECT
        *,
        lag(persons) OVER series AS persons_before,
        lag(rate) OVER series AS rate_before
    FROM side
    WINDOW series AS (PARTITION BY cdm_table, concept_id ORDER BY first_month)
),
told AS (
    SELECT
        *,
        persons_before = 0 OR persons_before >= min_cell AS tells_before,
        persons = 0 OR persons >= min_cell AS tells_after
    FROM two_sides, settings
    WHERE greatest(persons_before, persons) >= min_cell AND persons_before IS NOT NULL
)
SELECT
    event_table.name AS cdm_table,
    told.concept_id,
    concept_name,
    vocabulary_id,
    first_month AS month,
    CASE WHEN tells_before THEN rate_before END AS rate_before,
    CASE WHEN tells_after THEN rate END AS rate_after,
    CASE WHEN tells_before AND tells_after AND rate_before > 0 THEN rate / rate_before END AS ratio,
    CASE WHEN tells_before THEN persons_before END AS persons_before,
    CASE WHEN tells_after THEN persons END AS persons_after,
    dispersion,
    CASE WHEN tells_before AND tells_after THEN evidence END AS evidence,
    CASE WHEN tells_before AND tells_after THEN p_value END AS p_value
FROM told
JOIN event_table USING (cdm_table)
LEFT JOIN concept ON told.concept_id = concept.concept_id
ORDER BY evidence DESC NULLS LAST, cdm_table, told.concept_id, month
