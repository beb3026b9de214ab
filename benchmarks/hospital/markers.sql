-- What was ever found in a person: "concept=value" for measurements whose value is a concept, and "concept" for findings
-- that are told without a value, such as a stage.
SELECT DISTINCT
    person_id,
    concat_ws('=', measurement_concept_id, nullif(value_as_concept_id, 0)) AS marker
FROM measurement
WHERE measurement_concept_id > 0 AND value_as_number IS NULL
