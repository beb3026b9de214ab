-- Days of supply, refills and quantity of drug exposures inside observation periods, by drug.
-- @reads observed_event (concept_id, days_supply?, refills?, quantity?)
WITH supply AS MATERIALIZED (
    SELECT concept_id, days_supply, refills, quantity, count(*) AS records
    FROM observed_event
    WHERE in_period
    GROUP BY ALL
)
SELECT 'days of supply by concept' AS shape, [concept_id] AS strata, days_supply AS value, sum(records) AS n
FROM supply
WHERE days_supply IS NOT NULL
GROUP BY concept_id, days_supply
UNION ALL
SELECT 'refills by concept', [concept_id], refills, sum(records)
FROM supply
WHERE refills IS NOT NULL
GROUP BY concept_id, refills
UNION ALL
SELECT 'quantity by concept', [concept_id], quantity, sum(records)
FROM supply
WHERE quantity IS NOT NULL
GROUP BY concept_id, quantity
