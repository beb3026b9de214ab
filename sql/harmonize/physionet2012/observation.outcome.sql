-- Scores and outcomes, told once for each record. Missing ones (-1) are left out; survival of -1 means no known death.
-- @reads outcomes-a? (RecordID, SAPS-I, SOFA, Length_of_stay, Survival, In-hospital_death)
WITH outcome AS (
    UNPIVOT "outcomes-a"
    ON "SAPS-I", "SOFA", "Length_of_stay", "Survival", "In-hospital_death"
    INTO NAME question VALUE answer
)
SELECT
    source_row,
    source_row || ' ' || question AS observation_id,
    RecordID AS person_id,
    RecordID AS visit_occurrence_id,
    question AS observation_source_value,
    CASE question WHEN 'SOFA' THEN 'LOINC' ELSE 'PhysioNet 2012' END AS source_vocabulary_id,
    CASE question WHEN 'SOFA' THEN '96789-3' ELSE question END AS source_code,
    DATE '2000-01-01' AS observation_date,
    answer AS value_as_number,
    answer AS value_source_value,
    CASE WHEN question IN ('Length_of_stay', 'Survival') THEN 'd' END AS unit_source_value
FROM outcome
WHERE TRY_CAST(answer AS INTEGER) >= 0
