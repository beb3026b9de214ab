-- Visits. One takes its class, provider and care site from its first encounter.
-- @reads encounters (id)
-- @reads _encounters
WITH visit AS (
    SELECT
        visit_occurrence_id,
        any_value(patient) AS person_id,
        any_value(encounterclass) FILTER (WHERE visit_detail_id = visit_occurrence_id) AS encounterclass,
        min(started) AS started,
        max(stopped) AS stopped,
        arg_min(provider_id, started) AS provider_id,
        arg_min(organization, started) AS care_site_id
    FROM _encounters
    GROUP BY visit_occurrence_id
)
SELECT
    visit_occurrence_id,
    person_id,
    started AS visit_start_datetime,
    stopped AS visit_end_datetime,
    provider_id,
    care_site_id,
    visit_occurrence_id AS visit_source_value,
    encounterclass AS source_code,
    'Synthea encounter class' AS source_vocabulary_id,
    32827 AS visit_type_concept_id,  -- EHR encounter record
    lag(visit_occurrence_id) OVER (PARTITION BY person_id ORDER BY started, visit_occurrence_id)
        AS preceding_visit_occurrence_id
FROM visit
