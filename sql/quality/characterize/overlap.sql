-- Persons with records in several domains. A string of seven bits names the domains that a person must have: condition,
-- drug, device, measurement, death, procedure, observation; the share is of all persons, to 20 decimals.
-- @reads person? (person_id)
-- @reads condition_occurrence? (person_id)
-- @reads drug_exposure? (person_id)
-- @reads device_exposure? (person_id)
-- @reads measurement? (person_id)
-- @reads death? (person_id)
-- @reads procedure_occurrence? (person_id)
-- @reads observation? (person_id)
-- @reads visit_occurrence? (person_id)
WITH presence AS (
    SELECT DISTINCT person_id, 64 AS domain FROM condition_occurrence
    UNION ALL
    SELECT DISTINCT person_id, 32 FROM drug_exposure
    UNION ALL
    SELECT DISTINCT person_id, 16 FROM device_exposure
    UNION ALL
    SELECT DISTINCT person_id, 8 FROM measurement
    UNION ALL
    SELECT DISTINCT person_id, 4 FROM death
    UNION ALL
    SELECT DISTINCT person_id, 2 FROM procedure_occurrence
    UNION ALL
    SELECT DISTINCT person_id, 1 FROM observation
),
person_domains AS (
    SELECT person_id, CAST(sum(domain) AS INTEGER) AS domains
    FROM presence
    WHERE person_id IS NOT NULL
    GROUP BY person_id
),
company AS MATERIALIZED (
    SELECT domains, count(*) AS persons
    FROM person_domains
    GROUP BY domains
),
overlap AS (
    SELECT asked.domains, sum(persons) AS persons
    FROM range(1, 128) AS asked (domains)
    JOIN company ON company.domains & asked.domains = asked.domains
    GROUP BY asked.domains
),
total AS (SELECT count(*) AS persons FROM person),
shared AS (
    SELECT
        lpad(bin(domains), 7, '0') AS domains,
        overlap.persons,
        (overlap.persons * 100000000000000000000 + total.persons // 2) // nullif(total.persons, 0) AS share
    FROM overlap, total
)
SELECT
    'persons by domains' AS shape,
    [
        domains,
        CAST(share // 100000000000000000000 AS VARCHAR)
        || '.' || lpad(CAST(share % 100000000000000000000 AS VARCHAR), 20, '0')
    ] AS strata,
    NULL AS value,
    persons AS n
FROM shared
UNION ALL
SELECT 'persons with condition and drug', [], NULL, sum(persons)
FROM company
WHERE domains & 96 = 96
UNION ALL
SELECT 'persons with condition and procedure', [], NULL, sum(persons)
FROM company
WHERE domains & 66 = 66
UNION ALL
SELECT 'persons with measurement, condition and drug', [], NULL, sum(persons)
FROM company
WHERE domains & 104 = 104
UNION ALL
SELECT 'persons with a visit', [], NULL, count(DISTINCT person_id)
FROM visit_occurrence
