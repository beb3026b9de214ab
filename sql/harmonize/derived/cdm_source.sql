-- One line about the CDM itself. An adapter with a cdm_source.sql says more.
WITH vocabulary_release AS (
    SELECT max(vocabulary_version) AS vocabulary_version FROM vocabulary WHERE vocabulary_id = 'None'
),
observed AS (
    SELECT max(observation_period_end_date) AS last_date FROM observation_period
)
SELECT
    'Harmonized by omopsql' AS cdm_source_name,
    'omopsql' AS cdm_source_abbreviation,
    'not stated' AS cdm_holder,
    coalesce(last_date, current_date) AS source_release_date,
    current_date AS cdm_release_date,
    coalesce(vocabulary_version, 'not stated') AS vocabulary_version
FROM vocabulary_release, observed
