-- What was observed, one row for each value: observations, and the components of those that have any, such as the two
-- pressures of a blood pressure. Those with components and no value of their own give only their components.
-- @reads Observation? (resource)
-- @reads _encounters
WITH observation AS (
    SELECT
        source_row,
        resource,
        json_extract(resource, '$.component[*]') AS components,
        json_transform(resource, '{
            "status": "VARCHAR",
            "category": [{"coding": [{"code": "VARCHAR"}]}],
            "subject": {"reference": "VARCHAR"},
            "encounter": {"reference": "VARCHAR"},
            "performer": [{"reference": "VARCHAR"}],
            "effectiveDateTime": "VARCHAR",
            "effectivePeriod": {"start": "VARCHAR"},
            "effectiveInstant": "VARCHAR",
            "issued": "VARCHAR"
        }') AS o
    FROM Observation
),
element AS (
    SELECT source_row, o, resource AS element
    FROM observation
    WHERE len(components) = 0 OR list_has_any(json_keys(resource), [
        'valueQuantity', 'valueCodeableConcept', 'valueString', 'valueBoolean', 'valueInteger', 'valueRange',
        'valueRatio', 'valueSampledData', 'valueTime', 'valueDateTime', 'valuePeriod'
    ])
    UNION ALL
    SELECT source_row, o, unnest(components) AS element
    FROM observation
),
valued AS (
    SELECT
        source_row,
        o,
        list_transform(flatten(list_transform(o.category, lambda c: c.coding)), lambda c: c.code) AS categories,
        json_transform(element, '{
            "code": "JSON",
            "valueQuantity": {"value": "VARCHAR", "comparator": "VARCHAR", "unit": "VARCHAR", "code": "VARCHAR"},
            "valueCodeableConcept": "JSON",
            "valueString": "VARCHAR",
            "valueBoolean": "VARCHAR",
            "valueInteger": "VARCHAR",
            "valueDateTime": "VARCHAR",
            "valueTime": "VARCHAR",
            "valueRange": "VARCHAR",
            "valueRatio": "VARCHAR",
            "valuePeriod": "VARCHAR",
            "valueSampledData": {"data": "VARCHAR"},
            "referenceRange": [{"low": {"value": "VARCHAR"}, "high": {"value": "VARCHAR"}}]
        }') AS v
    FROM element
),
coded AS (
    SELECT
        *,
        omopsql.preferred_coding(v.code) AS coding,
        omopsql.preferred_coding(v.valueCodeableConcept) AS value_coding,
        omopsql.fhir_reference(o.encounter.reference) AS encounter_id
    FROM valued
)
SELECT
    c.source_row,
    omopsql.fhir_reference(o.subject.reference, resource_type := 'Patient') AS person_id,
    coalesce(e.visit_occurrence_id, c.encounter_id) AS visit_occurrence_id,
    e.visit_detail_id,
    omopsql.fhir_reference(o.performer[1].reference, resource_type := 'Practitioner') AS provider_id,
    omopsql.fhir_datetime(coalesce(o.effectiveDateTime, o.effectivePeriod.start, o.effectiveInstant, o.issued))
        AS observed,
    CASE o.status
        WHEN 'entered-in-error' THEN 'entered in error'
        WHEN 'cancelled' THEN 'cancelled'
        WHEN 'registered' THEN 'registered, no result yet'
    END AS set_aside,
    coalesce(list_has_any(categories, ['laboratory', 'vital-signs']), false) OR v.valueQuantity IS NOT NULL
        AS is_measurement,
    CASE WHEN list_contains(categories, 'laboratory') THEN 32856 ELSE 32817 END AS type_concept_id,
    coding.code AS code,
    coding.vocabulary_id AS vocabulary_id,
    coding.name AS name,
    coalesce(v.valueQuantity.value, v.valueInteger) AS number,
    CASE v.valueQuantity.comparator WHEN '<' THEN 4171756 WHEN '<=' THEN 4171754 WHEN '>=' THEN 4171755
        WHEN '>' THEN 4172704 END AS operator_concept_id,
    coalesce(v.valueQuantity.code, v.valueQuantity.unit) AS unit,
    value_coding.vocabulary_id AS value_vocabulary_id,
    coalesce(
        value_coding.code,
        v.valueQuantity.value,
        v.valueInteger,
        v.valueString,
        v.valueBoolean,
        v.valueDateTime,
        v.valueTime,
        v.valueRange,
        v.valueRatio,
        v.valuePeriod,
        v.valueSampledData.data
    ) AS value,
    coalesce(value_coding.name, v.valueString, v.valueBoolean, v.valueDateTime, v.valueTime) AS text,
    v.referenceRange[1].low.value AS range_low,
    v.referenceRange[1].high.value AS range_high
FROM coded AS c
LEFT JOIN _encounters AS e ON c.encounter_id = e.encounter_id
