-- Encounters that are part of another: stays on wards, in units, in beds.
-- @reads Encounter? (resource)
-- @reads _visits
SELECT
    source_row,
    person_id,
    visit_detail_id,
    visit_occurrence_id,
    parent_visit_detail_id,
    visit_concept_id AS visit_detail_concept_id,
    class AS visit_detail_source_value,
    32827 AS visit_detail_type_concept_id,
    started AS visit_detail_start_datetime,
    ended AS visit_detail_end_datetime,
    provider_id,
    care_site_id,
    admitted_from AS admitted_from_source_value,
    discharged_to AS discharged_to_source_value,
    set_aside
FROM _visits
WHERE visit_detail_id IS NOT NULL
