-- Records of an event table by the concept of the visit, and of the visit detail, that they belong to; 0 for none.
-- @reads event (cdm_table, visit_occurrence_id?, visit_detail_id?)
-- @reads visit_occurrence? (visit_occurrence_id, visit_concept_id)
-- @reads visit_detail? (visit_detail_id, visit_detail_concept_id)
WITH belonging AS MATERIALIZED (
    SELECT cdm_table, visit_occurrence_id, visit_detail_id, count(*) AS records
    FROM event
    GROUP BY ALL
)
SELECT
    'records by visit concept' AS shape,
    [CAST(coalesce(visit_concept_id, 0) AS VARCHAR), cdm_table] AS strata,
    NULL AS value,
    sum(records) AS n
FROM belonging
LEFT JOIN visit_occurrence USING (visit_occurrence_id)
GROUP BY ALL
UNION ALL
SELECT
    'records by visit detail concept',
    [CAST(coalesce(visit_detail_concept_id, 0) AS VARCHAR), cdm_table],
    NULL,
    sum(records)
FROM belonging
LEFT JOIN visit_detail USING (visit_detail_id)
GROUP BY ALL
