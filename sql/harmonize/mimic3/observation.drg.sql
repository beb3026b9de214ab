-- Diagnosis-related groups by which the stay was billed. MS groups are those of the vocabulary DRG; the older HCFA
-- groups use the same numbers for other things, and APR groups are another system.
-- @reads drgcodes? (subject_id, hadm_id, drg_type, drg_code, description, drg_severity?, drg_mortality?)
-- @reads admissions (hadm_id, dischtime)
SELECT
    drgcodes.source_row,
    drgcodes.subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    drg_code AS observation_source_value,
    CASE drg_type WHEN 'MS' THEN 'DRG' ELSE 'MIMIC-III ' || drg_type || ' DRG' END AS source_vocabulary_id,
    description AS source_code_description,
    dischtime AS observation_datetime,
    32821 AS observation_type_concept_id,
    description AS value_as_string
FROM drgcodes
LEFT JOIN admissions USING (hadm_id)
