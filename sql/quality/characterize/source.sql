-- The name of the CDM's source, the version of omopsql, the day of the run, and the number of persons.
-- @reads person (person_id)
-- @reads cdm_source? (cdm_source_name?)
-- @reads settings (version, day)
SELECT
    'source' AS shape,
    [(SELECT max(cdm_source_name) FROM cdm_source), any_value(version), any_value(day)] AS strata,
    NULL AS value,
    count(*) AS n
FROM person, settings
