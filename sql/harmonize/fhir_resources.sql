-- The resources in FHIR files, in the order in which they stand there, one a row: resource_type, filename, resource.
-- Bundles are taken apart; of other files each JSON object is a resource, as in a bulk export (NDJSON). files is a
-- path, a glob or a list of them; gzipped files are read too. A resource without an id takes the one in its entry's
-- fullUrl. largest is the size in bytes of the largest bundle or line.
-- @param files VARCHAR
-- @param largest BIGINT
-- @example SELECT count(*) FROM omopsql.fhir_resources('bundle.json') --> 2
CREATE OR REPLACE MACRO omopsql.fhir_resources(files, largest := 16777216) AS TABLE
WITH document AS (
    SELECT filename, json
    FROM read_json_objects(files, filename := true, format := 'auto', maximum_object_size := largest)
),
entry AS (
    SELECT
        filename,
        unnest(CASE
            WHEN (json ->> '$.resourceType') = 'Bundle' THEN list_transform(
                list_filter(json_extract(json, '$.entry[*]'), lambda e: (e -> '$.resource') IS NOT NULL),
                lambda e: {'full_url': e ->> '$.fullUrl', 'resource': e -> '$.resource'})
            ELSE [{'full_url': CAST(NULL AS VARCHAR), 'resource': json}]
        END, recursive := true)
    FROM document
)
SELECT
    resource ->> '$.resourceType' AS resource_type,
    filename,
    CASE
        WHEN (resource ->> '$.id') IS NULL AND full_url IS NOT NULL
            THEN json_merge_patch(resource, json_object('id', omopsql.fhir_reference(full_url)))
        ELSE resource
    END AS resource
FROM entry;
