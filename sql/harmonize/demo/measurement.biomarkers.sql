-- Biomarkers: a wide table with a column for each marker becomes a measurement for each marker that was found.
-- Receptors and HER2 are positive or negative; the others are numbers. No LOINC code is given for Ki-67: the
-- vocabulary of the demo holds no concept for it, so its rows keep their source value and concept 0.
-- @reads biomarkers (sample_no, patient_no, sampled_on, sample?, her2?, er?, pr?, ki67_percent?, psa_ng_ml?)
-- @reads biomarkers (ca125_u_ml?, troponin_ng_l?, hba1c_percent?)
WITH marker AS (
    SELECT
        source_row,
        patient_no,
        sampled_on,
        unnest([
            {'vocabulary': 'LOINC', 'code': '85319-2', 'marker': 'HER2', 'result': her2, 'unit': NULL},
            {'vocabulary': 'LOINC', 'code': '85337-4', 'marker': 'Oestrogen receptor', 'result': er, 'unit': NULL},
            {'vocabulary': 'LOINC', 'code': '85339-0', 'marker': 'Progesterone receptor', 'result': pr, 'unit': NULL},
            {'vocabulary': 'Demo marker', 'code': 'KI67', 'marker': 'Ki-67', 'result': ki67_percent, 'unit': '%'},
            {'vocabulary': 'LOINC', 'code': '2857-1', 'marker': 'PSA', 'result': psa_ng_ml, 'unit': 'ng/mL'},
            {'vocabulary': 'LOINC', 'code': '10334-1', 'marker': 'CA-125', 'result': ca125_u_ml, 'unit': '[U]/mL'},
            {'vocabulary': 'LOINC', 'code': '89579-7', 'marker': 'Troponin I', 'result': troponin_ng_l, 'unit': 'ng/L'},
            {'vocabulary': 'LOINC', 'code': '4548-4', 'marker': 'HbA1c', 'result': hba1c_percent, 'unit': '%'}
        ], recursive := true)
    FROM biomarkers
)
SELECT
    source_row,
    patient_no AS person_id,
    code AS measurement_source_value,
    marker AS source_code_description,
    vocabulary AS source_vocabulary_id,
    sampled_on AS measurement_date,
    TRY_CAST(trim(result, '<>% ') AS DOUBLE) AS value_as_number,
    CASE left(result, 1) WHEN '<' THEN 4171756 WHEN '>' THEN 4172704 END AS operator_concept_id,
    CASE result WHEN 'positive' THEN 45884084 WHEN 'negative' THEN 45878583 END AS value_as_concept_id,
    result AS value_source_value,
    unit AS unit_source_value,
    32856 AS measurement_type_concept_id
FROM marker
WHERE result IS NOT NULL
