-- Genes found mutated in a person. A mutation is "Present" and its source value begins with the gene; the concept is
-- told as well, for records of the same mutation that came without a source value.
SELECT DISTINCT
    person_id,
    coalesce(measurement_concept_id, 0) AS concept_id,
    nullif(split_part(measurement_source_value, ' ', 1), '') AS gene,
    value_source_value LIKE 'GRCh%' AS is_placed
FROM measurement
WHERE value_as_concept_id = 4181412
