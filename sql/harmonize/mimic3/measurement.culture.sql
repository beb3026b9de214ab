-- What grew in a specimen: a row for each organism, or one without a value for each culture in which nothing did.
-- @reads microbiologyevents?
-- @reads _cultures
SELECT
    source_row,
    'culture ' || source_row AS measurement_id,
    subject_id AS person_id,
    hadm_id AS visit_occurrence_id,
    spec_type_desc AS measurement_source_value,
    'MIMIC-III culture' AS source_vocabulary_id,
    spec_itemid AS source_code,
    spec_type_desc AS source_code_description,
    taken_on AS measurement_date,
    taken_at AS measurement_datetime,
    32856 AS measurement_type_concept_id,
    org_name AS value_source_value,
    'MIMIC-III organism' AS value_vocabulary_id
FROM _cultures
WHERE names_organism OR ab_itemid IS NULL
