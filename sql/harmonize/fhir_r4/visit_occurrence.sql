-- Encounters that are part of no other. A visit that has not ended ends on the day on which it began.
-- @reads Encounter? (resource)
-- @reads _visits
SELECT
    source_row,
    person_id,
    encounter_id AS visit_occurrence_id,
    visit_concept_id,
    class AS visit_source_value,
    32827 AS visit_type_concept_id,
    started AS visit_start_datetime,
    ended AS visit_end_datetime,
    provider_id,
    care_site_id,
    admitted_from AS admitted_from_source_value,
    discharged_to AS discharged_to_source_value,
    set_aside
FROM _visits
WHERE visit_detail_id IS NULL
