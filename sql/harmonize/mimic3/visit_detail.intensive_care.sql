-- Stays in intensive care. What is charted there refers to them.
-- @reads icustays? (icustay_id, subject_id, hadm_id, first_careunit, first_wardid, intime, outtime)
SELECT
    source_row,
    'icustay ' || icustay_id AS visit_detail_id,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    9201 AS visit_detail_concept_id,
    first_careunit AS visit_detail_source_value,
    'ward ' || first_wardid AS care_site_id,
    intime AS visit_detail_start_datetime,
    outtime AS visit_detail_end_datetime
FROM icustays
