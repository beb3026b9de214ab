-- Each encounter with the visit that it belongs to.
-- Encounters of one patient, class and day are one visit detail. A visit detail is a visit, with one exception: during
-- an inpatient stay, further inpatient and ambulatory encounters belong to the stay. Emergencies do not.
-- @reads encounters (id, start, stop, patient, organization, provider, encounterclass)
WITH encounter AS (
    SELECT
        id,
        patient,
        organization,
        provider,
        encounterclass,
        TRY_CAST(start AS TIMESTAMP) AS started,
        coalesce(TRY_CAST(stop AS TIMESTAMP), started) AS stopped,
        CAST(started AS DATE) AS start_date
    FROM encounters
    WHERE id IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY source_row) = 1
),
in_order AS (
    SELECT
        *,
        min(id) OVER (PARTITION BY patient, encounterclass, start_date) AS visit_detail,
        row_number() OVER (
            PARTITION BY patient ORDER BY start_date, encounterclass <> 'inpatient', started, id
        ) AS nth
    FROM encounter
),
during_stay AS (
    SELECT
        *,
        start_date <= max(CAST(stopped AS DATE)) FILTER (WHERE encounterclass = 'inpatient') OVER (
            PARTITION BY patient ORDER BY nth ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS is_during_stay
    FROM in_order
),
placed AS (
    SELECT
        *,
        encounterclass = 'inpatient' AND is_during_stay IS NOT TRUE AS opens_stay,
        encounterclass IN ('inpatient', 'ambulatory', 'outpatient', 'wellness') AND is_during_stay AS belongs_to_stay
    FROM during_stay
)
SELECT
    id AS encounter_id,
    patient,
    organization,
    provider AS provider_id,
    encounterclass,
    started,
    stopped,
    visit_detail AS visit_detail_id,
    CASE
        WHEN belongs_to_stay THEN last_value(CASE WHEN opens_stay THEN visit_detail END IGNORE NULLS) OVER (
            PARTITION BY patient ORDER BY nth ROWS UNBOUNDED PRECEDING
        )
        ELSE visit_detail
    END AS visit_occurrence_id
FROM placed
