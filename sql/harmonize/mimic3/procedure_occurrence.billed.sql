-- Services of physicians billed by CPT. Where no day is told they stand on the day of admission.
-- @reads cptevents? (subject_id, hadm_id, chartdate, cpt_cd, cpt_suffix?, sectionheader?, subsectionheader?)
-- @reads cptevents? (description?)
-- @reads admissions (hadm_id, admittime)
SELECT
    cptevents.source_row,
    cptevents.subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    cpt_cd AS procedure_source_value,
    'CPT4' AS source_vocabulary_id,
    coalesce(description, concat_ws(': ', sectionheader, subsectionheader)) AS source_code_description,
    CAST(coalesce(TRY_CAST(chartdate AS TIMESTAMP), TRY_CAST(admittime AS TIMESTAMP)) AS DATE) AS procedure_date,
    cpt_suffix AS modifier_source_value,
    32821 AS procedure_type_concept_id
FROM cptevents
LEFT JOIN admissions USING (hadm_id)
