-- The encounters of one patient, class and day.
-- @reads encounters (id)
-- @reads _encounters
WITH detail AS (
    SELECT
        visit_detail_id,
        any_value(visit_occurrence_id) AS visit_occurrence_id,
        any_value(patient) AS person_id,
        any_value(encounterclass) AS encounterclass,
        min(started) AS started,
        max(stopped) AS stopped,
        arg_min(provider_id, started) AS provider_id,
        arg_min(organization, started) AS care_site_id
    FROM _encounters
    GROUP BY visit_detail_id
)
SELECT
    visit_detail_id,
    visit_occurrence_id,
    person_id,
    started AS visit_detail_start_datetime,
    stopped AS visit_detail_end_datetime,
    provider_id,
    care_site_id,
    visit_detail_id AS visit_detail_source_value,
    encounterclass AS source_code,
    'Synthea encounter class' AS source_vocabulary_id,
    32827 AS visit_detail_type_concept_id,  -- EHR encounter record
    lag(visit_detail_id) OVER (PARTITION BY person_id ORDER BY started, visit_detail_id) AS preceding_visit_detail_id
FROM detail
