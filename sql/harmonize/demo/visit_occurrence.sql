-- Stays, visits to the clinics, and visits to the emergency department.
-- @reads admissions (stay_no, patient_no, class, ward, doctor, admitted_at, discharged_at)
SELECT
    source_row,
    stay_no AS visit_occurrence_id,
    patient_no AS person_id,
    CASE class WHEN 'inpatient' THEN 9201 WHEN 'outpatient' THEN 9202 WHEN 'emergency' THEN 9203 ELSE 0 END
        AS visit_concept_id,
    class AS visit_source_value,
    admitted_at AS visit_start_datetime,
    discharged_at AS visit_end_datetime,
    ward AS care_site_id,
    doctor AS provider_id
FROM admissions
