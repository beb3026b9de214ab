-- Laboratory results. A result such as <0.3 is below the limit of detection: the limit and the operator are kept.
-- @reads laboratory (patient_no, stay_no, loinc, test, result, unit, sampled_at, reference_low?, reference_high?)
SELECT
    source_row,
    patient_no AS person_id,
    stay_no AS visit_occurrence_id,
    loinc AS measurement_source_value,
    test AS source_code_description,
    'LOINC' AS source_vocabulary_id,
    sampled_at AS measurement_datetime,
    TRY_CAST(ltrim(result, '<> ') AS DOUBLE) AS value_as_number,
    CASE left(result, 1) WHEN '<' THEN 4171756 WHEN '>' THEN 4172704 END AS operator_concept_id,
    result AS value_source_value,
    unit AS unit_source_value,
    reference_low AS range_low,
    reference_high AS range_high,
    32856 AS measurement_type_concept_id,
    CASE WHEN TRY_CAST(ltrim(result, '<> ') AS DOUBLE) IS NULL THEN 'no result: ' || result END AS set_aside
FROM laboratory
