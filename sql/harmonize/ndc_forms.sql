-- The eleven-digit NDCs that a code may mean, in order. Hyphens, or eleven digits, mean one. Ten digits without hyphens
-- mean up to three, for the zero that is missing may stand before the labeler, the product or the package. Fewer digits
-- are a number that lost its leading zeros. A code that is no NDC, and 0, means none.
-- @param code VARCHAR
-- @returns VARCHAR[]
-- @example SELECT omopsql.ndc_forms('0904516561') --> ['00904516561', '09045016561', '09045165601']
-- @example SELECT omopsql.ndc_forms('0904-5165-61') --> ['00904516561']
-- @example SELECT omopsql.ndc_forms('904516561') --> ['00904516561']
CREATE OR REPLACE MACRO omopsql.ndc_forms(code) AS CASE
    WHEN regexp_full_match(omopsql.clean_code(code, 'NDC'), '0+')
        THEN []
    WHEN regexp_full_match(omopsql.clean_code(code, 'NDC'), '[0-9]{10}')
        THEN list_sort(list_distinct([
            '0' || omopsql.clean_code(code, 'NDC'),
            regexp_replace(omopsql.clean_code(code, 'NDC'), '^(.{5})', '\10'),
            regexp_replace(omopsql.clean_code(code, 'NDC'), '(.)$', '0\1')
        ]))
    WHEN regexp_full_match(omopsql.clean_code(code, 'NDC'), '[0-9]{1,11}')
        THEN [lpad(omopsql.clean_code(code, 'NDC'), 11, '0')]
    WHEN code IS NOT NULL THEN []
END;
