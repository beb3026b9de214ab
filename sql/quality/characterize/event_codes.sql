-- Records inside observation periods by the concepts that qualify them: type, status, source, unit, value, qualifier.
-- @reads observed_event (concept_id, type_concept_id?, status_concept_id?, source_concept_id?, unit_concept_id?,
--     value_as_concept_id?, qualifier_concept_id?)
WITH code AS MATERIALIZED (
    SELECT
        concept_id,
        type_concept_id,
        status_concept_id,
        source_concept_id,
        unit_concept_id,
        value_as_concept_id,
        qualifier_concept_id,
        count(*) AS records
    FROM observed_event
    WHERE in_period
    GROUP BY ALL
)
SELECT 'records by concept and type' AS shape, [concept_id, type_concept_id] AS strata, NULL AS value, sum(records) AS n
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by status', [status_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by type', [type_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by status and type', [status_concept_id, type_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by source concept', [source_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by concept and unit', [concept_id, unit_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by concept and value', [concept_id, value_as_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by concept and qualifier', [concept_id, qualifier_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by value', [value_as_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
UNION ALL
SELECT 'records by unit', [unit_concept_id], NULL, sum(records)
FROM code
GROUP BY ALL
