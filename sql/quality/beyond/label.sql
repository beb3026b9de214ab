-- The label: every metric, measured where a database can tell it, with its level. Shares of checks are shares of rows:
-- of all that were examined, those that do not violate. Levels A to D come from bounds a, b and c of the metric.
-- @reads metric (place, element, dimension, metric, unit, better, a, b, c, how)
-- @reads checked (checkName, numViolatedRows, numDenominatorRows, passed, failed, notApplicable, isError)
-- @reads duplicate (is_total, records, repeats)
-- @reads mixture (measurement_concept_id, factor)
-- @reads rate_break (cdm_table, concept_id, ratio, rate_before, rate_after)
-- @reads event (cdm_table, concept_id, source_value?, start_date)
-- @reads measurement? (measurement_concept_id, value_as_number)
-- @reads observation_period? (person_id, observation_period_start_date, observation_period_end_date)
-- @reads person? (person_id, gender_concept_id?)
-- @reads cdm_source? (cdm_source_name?, source_description?, source_documentation_reference?, cdm_etl_reference?,
--     source_release_date?, cdm_release_date?, cdm_version?, vocabulary_version?)
WITH of_check (metric, check_name) AS (
    VALUES
    ('required values', 'isRequired'),
    ('unique keys', 'isPrimaryKey'),
    ('plausible values', 'plausibleValueLow'),
    ('plausible values', 'plausibleValueHigh'),
    ('plausible values', 'plausibleUnitConceptIds'),
    ('plausible values', 'plausibleGender'),
    ('plausible values', 'plausibleGenderUseDescendants'),
    ('valid references', 'cdmDatatype'),
    ('valid references', 'isForeignKey'),
    ('valid references', 'fkDomain'),
    ('valid references', 'fkClass'),
    ('standard concepts', 'isStandardValidConcept'),
    ('dates in order', 'plausibleTemporalAfter'),
    ('dates in order', 'plausibleStartBeforeEnd'),
    ('dates in order', 'plausibleAfterBirth'),
    ('dates in order', 'plausibleBeforeDeath'),
    ('dates in order', 'plausibleDuringLife'),
    ('dates in order', 'withinVisitDates')
),
applicable AS (
    SELECT *
    FROM checked
    WHERE notApplicable = 0 AND isError = 0
),
used AS MATERIALIZED (
    SELECT
        cdm_table,
        concept_id,
        count(*) AS records,
        count(*) FILTER (WHERE source_value <> '') AS with_source_value,
        max(start_date) AS latest
    FROM event
    GROUP BY ALL
),
of_source AS (
    SELECT
        max(regexp_extract(cdm_version, '[0-9]+[.][0-9]+')) AS version,
        max(coalesce(cdm_release_date, source_release_date)) AS released,
        avg(len(list_filter([
            cdm_source_name, source_description, source_documentation_reference, cdm_etl_reference,
            CAST(source_release_date AS VARCHAR), CAST(cdm_release_date AS VARCHAR), cdm_version, vocabulary_version
        ], lambda _told: _told <> '')) / 8) AS filled
    FROM cdm_source
),
numeric_concept AS (
    SELECT DISTINCT measurement_concept_id
    FROM measurement
    WHERE value_as_number IS NOT NULL
),
mixed_concept AS (
    SELECT DISTINCT measurement_concept_id
    FROM mixture
    WHERE factor IS NOT NULL
),
unstable_concept AS (
    SELECT DISTINCT cdm_table, concept_id
    FROM rate_break
    WHERE ratio >= 2 OR ratio <= 0.5 OR (rate_before = 0 AND rate_after > 0)
),
observed AS (
    SELECT
        person_id,
        min(observation_period_start_date) AS first_day,
        max(observation_period_end_date) AS last_day,
        sum(observation_period_end_date - observation_period_start_date + 1) AS days
    FROM observation_period
    GROUP BY person_id
),
measured (metric, value) AS (
    SELECT metric, 100 * (1 - sum(numViolatedRows) / nullif(sum(numDenominatorRows), 0))
    FROM of_check
    JOIN applicable ON check_name = checkName
    GROUP BY metric
    UNION ALL
    SELECT 'checks passed', 100 * sum(passed) / nullif(sum(passed) + sum(failed), 0)
    FROM applicable
    UNION ALL
    SELECT 'description of the source', 100 * filled
    FROM of_source
    UNION ALL
    SELECT 'data dictionary and data model', TRY_CAST(version AS DOUBLE)
    FROM of_source
    UNION ALL
    SELECT 'provenance of records', 100 * sum(with_source_value) / nullif(sum(records), 0)
    FROM used
    UNION ALL
    SELECT 'mapped records', 100 * coalesce(sum(records) FILTER (WHERE concept_id <> 0), 0) / nullif(sum(records), 0)
    FROM used
    UNION ALL
    SELECT 'persons with observation', 100 * count(observed.person_id) / nullif(count(*), 0)
    FROM person
    LEFT JOIN observed USING (person_id)
    UNION ALL
    SELECT 'events recorded once', 100 * (1 - sum(repeats) / nullif(sum(records), 0))
    FROM duplicate
    WHERE is_total
    UNION ALL
    SELECT 'measurements in one unit', 100 * (1 - count(mixed_concept.measurement_concept_id) / nullif(count(*), 0))
    FROM numeric_concept
    LEFT JOIN mixed_concept USING (measurement_concept_id)
    UNION ALL
    SELECT 'stable concepts', 100 * (1 - count(unstable_concept.concept_id) / nullif(count(*), 0))
    FROM used
    LEFT JOIN unstable_concept USING (cdm_table, concept_id)
    WHERE records >= 10 AND EXISTS (FROM observation_period)
    UNION ALL
    SELECT 'age of the latest record', (released - max(latest)) / 30.4375
    FROM used, of_source
    WHERE latest <= released
    GROUP BY released
    UNION ALL
    SELECT 'persons', nullif(count(*), 0)
    FROM person
    UNION ALL
    SELECT 'period covered', (max(last_day) - min(first_day) + 1) / 365.25
    FROM observed
    UNION ALL
    SELECT 'time a person is observed', avg(days) / 365.25
    FROM observed
    UNION ALL
    SELECT 'women', 100 * count(*) FILTER (WHERE gender_concept_id = 8532) / nullif(count(*), 0)
    FROM person
    UNION ALL
    SELECT 'kinds of data', count(DISTINCT cdm_table)
    FROM used
)
SELECT
    element,
    dimension,
    metric,
    round(value, 2) AS value,
    unit,
    CASE
        WHEN unit IS NULL THEN 'to be declared'
        WHEN value IS NULL THEN 'not measured'
        WHEN better IS NULL THEN 'described'
        WHEN if(better = 'high', value >= a, value <= a) THEN 'A'
        WHEN if(better = 'high', value >= b, value <= b) THEN 'B'
        WHEN if(better = 'high', value >= c, value <= c) THEN 'C'
        ELSE 'D'
    END AS level,
    how
FROM metric
LEFT JOIN measured USING (metric)
ORDER BY place
