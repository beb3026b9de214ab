-- Prescriptions. One without an end counts on the day of its start.
-- @reads medications (start, stop, patient, encounter, code, description, dispenses?)
-- @reads _encounters
SELECT
    source_row,
    medications.patient AS person_id,
    visit_occurrence_id,
    visit_detail_id,
    provider_id,
    start AS drug_exposure_start_datetime,
    coalesce(stop, start) AS drug_exposure_end_datetime,
    stop AS verbatim_end_date,
    date_diff('day', TRY_CAST(start AS TIMESTAMP), TRY_CAST(stop AS TIMESTAMP)) AS days_supply,
    greatest(TRY_CAST(dispenses AS INTEGER) - 1, 0) AS refills,
    code AS drug_source_value,
    'RxNorm' AS source_vocabulary_id,
    description AS source_code_description,
    32838 AS drug_type_concept_id  -- EHR prescription
FROM medications
LEFT JOIN _encounters ON encounter = encounter_id
