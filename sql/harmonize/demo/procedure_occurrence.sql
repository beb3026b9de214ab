-- Operations and examinations.
-- @reads procedures (patient_no, stay_no, snomed_code, procedure, performed_on)
SELECT
    source_row,
    patient_no AS person_id,
    stay_no AS visit_occurrence_id,
    snomed_code AS procedure_source_value,
    procedure AS source_code_description,
    'SNOMED' AS source_vocabulary_id,
    performed_on AS procedure_date
FROM procedures
