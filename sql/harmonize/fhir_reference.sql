-- The resource that a FHIR reference names: its id, however the reference is written (urn:uuid:..., Patient/123,
-- https://server/Patient/123/_history/2). A search (Practitioner?identifier=system|value) gives the value searched
-- for, and a contained resource (#med1) stays as it is. With resource_type, a reference to a resource of another type
-- gives NULL; one that does not tell its type, as urn:uuid:... does not, passes.
-- @param reference VARCHAR
-- @param resource_type VARCHAR
-- @returns VARCHAR
-- @example SELECT omopsql.fhir_reference('Patient/123') --> 123
-- @example SELECT omopsql.fhir_reference('urn:uuid:57a5a683-f51e') --> 57a5a683-f51e
-- @example SELECT omopsql.fhir_reference('Organization/7', resource_type := 'Practitioner') --> None
CREATE OR REPLACE MACRO omopsql.fhir_reference(reference, resource_type := NULL) AS (
    CASE
        WHEN resource_type IS NULL
            OR NOT regexp_matches(reference, '(^|/)[A-Z][A-Za-z]+[/?]')
            OR regexp_matches(reference, '(^|/)' || resource_type || '[/?]')
            THEN nullif(regexp_extract(regexp_replace(reference, '/_history/.*$', ''), '[^/:|]+$'), '')
    END
);
