-- Stays on a ward, one after the other; those in intensive care belong to a stay of visit_detail.intensive_care.
-- @reads transfers? (subject_id, hadm_id, icustay_id, eventtype, curr_careunit, curr_wardid, intime, outtime)
SELECT
    source_row,
    'transfer ' || source_row AS visit_detail_id,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    'icustay ' || icustay_id AS parent_visit_detail_id,
    9201 AS visit_detail_concept_id,
    coalesce(curr_careunit, 'ward ' || curr_wardid) AS visit_detail_source_value,
    'ward ' || curr_wardid AS care_site_id,
    intime AS visit_detail_start_datetime,
    outtime AS visit_detail_end_datetime,
    CASE WHEN eventtype = 'discharge' THEN 'the moment of discharge, no stay on a ward' END AS set_aside
FROM transfers
