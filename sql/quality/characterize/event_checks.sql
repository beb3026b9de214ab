-- Records that break a rule: of unknown persons, providers, visits and care sites, outside observation periods, ending
-- before they start; and what share of records, and of persons, is outside.
-- @reads observed_event (person_id, start_date, end_date?, provider_id?, visit_occurrence_id?, care_site_id?)
-- @reads person? (person_id)
-- @reads provider? (provider_id)
-- @reads visit_occurrence? (visit_occurrence_id)
-- @reads care_site? (care_site_id)
WITH known_person AS (SELECT DISTINCT person_id FROM person),
known_provider AS (SELECT DISTINCT provider_id FROM provider),
known_visit AS (SELECT DISTINCT visit_occurrence_id FROM visit_occurrence),
known_care_site AS (SELECT DISTINCT care_site_id FROM care_site),
person_total AS (
    SELECT
        record.person_id,
        count(*) AS records,
        count(*) FILTER (WHERE record.in_period) AS inside,
        count(*) FILTER (WHERE known_person.person_id IS NULL) AS of_unknown_person,
        count(*) FILTER (WHERE record.end_date < record.start_date) AS ending_early,
        count(*) FILTER (WHERE known_provider.provider_id IS NULL AND record.provider_id IS NOT NULL)
            AS of_unknown_provider,
        count(*) FILTER (WHERE known_visit.visit_occurrence_id IS NULL AND record.visit_occurrence_id IS NOT NULL)
            AS of_unknown_visit,
        count(*) FILTER (WHERE known_care_site.care_site_id IS NULL AND record.care_site_id IS NOT NULL)
            AS of_unknown_care_site
    FROM observed_event AS record
    LEFT JOIN known_person USING (person_id)
    LEFT JOIN known_provider USING (provider_id)
    LEFT JOIN known_visit USING (visit_occurrence_id)
    LEFT JOIN known_care_site USING (care_site_id)
    GROUP BY record.person_id
),
total AS MATERIALIZED (
    SELECT
        CAST(sum(records) AS BIGINT) AS records,
        CAST(sum(inside) AS BIGINT) AS inside,
        CAST(sum(records - inside) AS BIGINT) AS outside,
        count(person_id) AS persons,
        count(person_id) FILTER (WHERE inside < records) AS persons_outside,
        sum(of_unknown_person) AS of_unknown_person,
        sum(ending_early) AS ending_early,
        sum(of_unknown_provider) AS of_unknown_provider,
        sum(of_unknown_visit) AS of_unknown_visit,
        sum(of_unknown_care_site) AS of_unknown_care_site
    FROM person_total
)
SELECT 'records of an unknown person' AS shape, [] AS strata, NULL AS value, of_unknown_person AS n
FROM total
UNION ALL
SELECT 'records of an unknown provider', [], NULL, of_unknown_provider
FROM total
UNION ALL
SELECT 'records of an unknown visit', [], NULL, of_unknown_visit
FROM total
UNION ALL
SELECT 'records of an unknown care site', [], NULL, of_unknown_care_site
FROM total
UNION ALL
SELECT 'records ending before they start', [], NULL, ending_early
FROM total
UNION ALL
SELECT 'records outside observation', [], NULL, outside
FROM total
UNION ALL
SELECT 'records inside observation', [], NULL, inside
FROM total
UNION ALL
SELECT
    'share of persons outside observation',
    [CAST(persons_outside / persons AS VARCHAR), CAST(persons_outside AS VARCHAR), CAST(persons AS VARCHAR)],
    NULL,
    persons_outside
FROM total
UNION ALL
SELECT
    'share of records outside observation',
    [CAST(outside / records AS VARCHAR), CAST(outside AS VARCHAR), CAST(records AS VARCHAR)],
    NULL,
    outside
FROM total
