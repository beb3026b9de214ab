-- What visits and visit details have in common, by the row of the encounter.
-- @reads Encounter? (resource)
-- @reads _encounters
SELECT
    e.source_row,
    e.resource ->> '$.id' AS encounter_id,
    n.visit_occurrence_id,
    n.visit_detail_id,
    n.parent_visit_detail_id,
    omopsql.fhir_reference(e.resource ->> '$.subject.reference', resource_type := 'Patient') AS person_id,
    e.resource ->> '$.class.code' AS class,
    CASE
        WHEN (e.resource ->> '$.class.code') IN ('IMP', 'ACUTE', 'NONAC', 'SS') THEN 9201
        WHEN (e.resource ->> '$.class.code') = 'EMER' THEN 9203
        WHEN (e.resource ->> '$.class.code') IN ('AMB', 'PRENC') THEN 9202
        ELSE 0
    END AS visit_concept_id,
    omopsql.fhir_datetime(e.resource ->> '$.period.start') AS started,
    omopsql.fhir_datetime(e.resource ->> '$.period.end') AS ended,
    omopsql.fhir_reference(coalesce(
        list_filter(
            json_extract(e.resource, '$.participant[*]'),
            lambda p: (p ->> '$.type[0].coding[0].code') IN ('ATND', 'PPRF')
        )[1] ->> '$.individual.reference',
        e.resource ->> '$.participant[0].individual.reference'
    ), resource_type := 'Practitioner') AS provider_id,
    omopsql.fhir_reference(e.resource ->> '$.serviceProvider.reference', resource_type := 'Organization')
        AS care_site_id,
    omopsql.preferred_coding(e.resource -> '$.hospitalization.admitSource').code AS admitted_from,
    omopsql.preferred_coding(e.resource -> '$.hospitalization.dischargeDisposition').code AS discharged_to,
    CASE e.resource ->> '$.status'
        WHEN 'entered-in-error' THEN 'entered in error'
        WHEN 'planned' THEN 'planned, not begun'
        WHEN 'cancelled' THEN 'cancelled'
    END AS set_aside
FROM Encounter AS e
LEFT JOIN _encounters AS n ON e.resource ->> '$.id' = n.encounter_id
