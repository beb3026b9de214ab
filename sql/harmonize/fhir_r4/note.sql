-- The texts of diagnostic reports: the report as it was presented, where that is text, else its conclusion.
-- @reads DiagnosticReport? (resource)
-- @reads _encounters
WITH report AS (
    SELECT
        source_row,
        resource,
        omopsql.fhir_reference(resource ->> '$.encounter.reference') AS encounter_id,
        coalesce(
            TRY(decode(from_base64(list_filter(
                json_extract(resource, '$.presentedForm[*]'),
                lambda form: starts_with(form ->> '$.contentType', 'text/')
            )[1] ->> '$.data'))),
            resource ->> '$.conclusion'
        ) AS text
    FROM DiagnosticReport
    WHERE coalesce(resource ->> '$.status', '') NOT IN ('entered-in-error', 'cancelled', 'registered')
)
SELECT
    r.source_row,
    omopsql.fhir_reference(r.resource ->> '$.subject.reference', resource_type := 'Patient') AS person_id,
    coalesce(e.visit_occurrence_id, r.encounter_id) AS visit_occurrence_id,
    e.visit_detail_id,
    32817 AS note_type_concept_id,
    omopsql.preferred_coding(r.resource -> '$.code').name AS note_title,
    r.text AS note_text,
    omopsql.preferred_coding(r.resource -> '$.code').code AS note_source_value,
    omopsql.fhir_datetime(coalesce(
        r.resource ->> '$.effectiveDateTime', r.resource ->> '$.effectivePeriod.start', r.resource ->> '$.issued'
    )) AS note_datetime
FROM report AS r
LEFT JOIN _encounters AS e ON r.encounter_id = e.encounter_id
WHERE r.text IS NOT NULL
