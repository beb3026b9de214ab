-- Stage at diagnosis, once for each patient: stage group and categories T, N and M, by the codes of the Cancer Modifier
-- vocabulary. Letters of the stage group (IIA) are left out of the code.
-- @reads data_clinical_patient (PATIENT_ID, T_STAGE?, N_STAGE?, M_STAGE?)
-- @reads data_clinical_sample? (PATIENT_ID, STAGE_AT_DIAGNOSIS?)
-- @reads _patients
WITH patient AS (
    SELECT p.source_row, p.PATIENT_ID, p.T_STAGE, p.N_STAGE, p.M_STAGE, min(s.STAGE_AT_DIAGNOSIS) AS STAGE_AT_DIAGNOSIS
    FROM data_clinical_patient AS p
    LEFT JOIN data_clinical_sample AS s ON p.PATIENT_ID = s.PATIENT_ID
    GROUP BY ALL
),
category AS (
    UNPIVOT patient ON T_STAGE, N_STAGE, M_STAGE, STAGE_AT_DIAGNOSIS INTO NAME item VALUE stage
)
SELECT
    c.source_row,
    c.PATIENT_ID AS person_id,
    c.item || ' ' || c.stage AS measurement_source_value,
    CASE
        WHEN c.item <> 'STAGE_AT_DIAGNOSIS' THEN 'AJCC/UICC-' || c.stage
        ELSE 'Stage-' || CASE regexp_extract(upper(c.stage), '^(STAGE )?(IV|I{1,3}|[0-4])', 2)
            WHEN 'I' THEN '1' WHEN 'II' THEN '2' WHEN 'III' THEN '3' WHEN 'IV' THEN '4'
            ELSE regexp_extract(c.stage, '[0-4]') END
    END AS source_code,
    'Cancer Modifier' AS source_vocabulary_id,
    32879 AS measurement_type_concept_id,
    p.diagnosed AS measurement_date,
    c.stage AS value_source_value
FROM category AS c
JOIN _patients AS p ON c.source_row = p.source_row
WHERE lower(c.stage) NOT IN ('unk', 'unknown', 'na')
