-- Vital signs: a column each, and so up to six measurements a row.
-- @reads vital_signs (patient_no, stay_no, measured_on, systolic_mmhg, diastolic_mmhg, heart_rate)
-- @reads vital_signs (oxygen_saturation_percent?, weight_kg?, height_cm?)
WITH sign AS (
    SELECT
        source_row,
        patient_no,
        stay_no,
        measured_on,
        unnest([
            {'loinc': '8480-6', 'result': systolic_mmhg, 'unit': 'mm[Hg]'},
            {'loinc': '8462-4', 'result': diastolic_mmhg, 'unit': 'mm[Hg]'},
            {'loinc': '8867-4', 'result': heart_rate, 'unit': '/min'},
            {'loinc': '59408-5', 'result': oxygen_saturation_percent, 'unit': '%'},
            {'loinc': '29463-7', 'result': weight_kg, 'unit': 'kg'},
            {'loinc': '8302-2', 'result': height_cm, 'unit': 'cm'}
        ], recursive := true)
    FROM vital_signs
)
SELECT
    source_row,
    patient_no AS person_id,
    stay_no AS visit_occurrence_id,
    loinc AS measurement_source_value,
    'LOINC' AS source_vocabulary_id,
    measured_on AS measurement_date,
    result AS value_as_number,
    result AS value_source_value,
    unit AS unit_source_value
FROM sign
WHERE result IS NOT NULL
