-- Susceptibility of an organism to an antibiotic: the inhibiting concentration, and S, I or R.
-- @reads microbiologyevents?
-- @reads _cultures
SELECT
    source_row,
    'susceptibility ' || source_row AS measurement_id,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    concat_ws(', ', ab_name, org_name) AS measurement_source_value,
    'MIMIC-III item' AS source_vocabulary_id,
    ab_itemid AS source_code,
    ab_name AS source_code_description,
    taken_on AS measurement_date,
    taken_at AS measurement_datetime,
    32856 AS measurement_type_concept_id,
    CASE trim(dilution_comparison)
        WHEN '=' THEN 4172703
        WHEN '<' THEN 4171756
        WHEN '>' THEN 4172704
        WHEN '<=' THEN 4171754
        WHEN '=>' THEN 4171755
    END AS operator_concept_id,
    dilution_value AS value_as_number,
    interpretation AS value_source_value,
    'MIMIC-III interpretation' AS value_vocabulary_id
FROM _cultures
WHERE ab_itemid IS NOT NULL
