-- A code in the form in which it compares: every spelling of one code becomes the same text. Use it on both sides, on
-- the source's code and on the concept's. The vocabulary is named as in the CDM: ICD10CM, NDC, LOINC. Blanks around a
-- code go and letters become capitals; only UCUM, Read and PPI tell codes apart by case and keep it. The ICD family,
-- CIM10, KCD7, OPCS4 and OPS lose dots, and the marks after a code (daggers, asterisks, a final hyphen); ICDO3 loses
-- the stroke of its morphology too. NDC becomes eleven digits where hyphens tell the parts; without hyphens, ten digits
-- stay ten, for they fit up to three products (omopsql.ndc_forms lists them). CVX, CPT4, DRG, revenue codes, places of
-- service and Medicare specialties lose leading zeros. A code of digits that a table made 308136.0 becomes whole again,
-- where the vocabulary has no dots. UCUM codes that the CDM spells in its own way take the usual one: [U]/L is U/L, and
-- 10*-3.eq/L is meq/L. Zeros that the source lost are not found again: 389 may be 038.9 or 389 of ICD9CM. A blank code
-- is NULL.
-- @param code VARCHAR
-- @param vocabulary VARCHAR
-- @returns VARCHAR
-- @example SELECT omopsql.clean_code(' 285.9 ', 'ICD9CM') --> 2859
-- @example SELECT omopsql.clean_code('e11.9', 'ICD10CM') --> E119
-- @example SELECT omopsql.clean_code('8140/3-C50.9', 'ICDO3') --> 81403-C509
-- @example SELECT omopsql.clean_code('0904-5165-61', 'NDC') --> 00904516561
-- @example SELECT omopsql.clean_code('308136.0', 'RxNorm') --> 308136
-- @example SELECT omopsql.clean_code('08', 'CVX') --> 8
-- @example SELECT omopsql.clean_code('10*-3.eq/L', 'UCUM') --> meq/L
CREATE OR REPLACE MACRO omopsql.clean_code(code, vocabulary) AS nullif(trim(CASE
    WHEN vocabulary IN ('Read', 'PPI')
        THEN CAST(code AS VARCHAR)
    WHEN vocabulary = 'UCUM'
        THEN regexp_replace(regexp_replace(regexp_replace(regexp_replace(replace(replace(regexp_replace(
            CAST(code AS VARCHAR),
            '\[+U\]+', 'U', 'g'),
            '(173.10*-2.m2)', '{1.73_m2}'),
            '[score]', '{score}'),
            '10\*-3\.(U|\[iU\]|eq)', 'm\1', 'g'),
            '10\*-6\.(U|\[iU\]|eq)', 'u\1', 'g'),
            '10\*3\.(U|\[iU\]|eq)', 'k\1', 'g'),
            '^\s*pH\s*$', '[pH]')
    WHEN vocabulary = 'ICDO3'
        THEN replace(replace(upper(CAST(code AS VARCHAR)), '.', ''), '/', '')
    WHEN starts_with(vocabulary, 'ICD') OR vocabulary IN ('CIM10', 'KCD7', 'OPCS4', 'OPS')
        THEN rtrim(replace(upper(CAST(code AS VARCHAR)), '.', ''), E' \t\r\n†*+!-')
    WHEN vocabulary = 'NDC'
        THEN regexp_replace(replace(regexp_replace(regexp_replace(regexp_replace(
            CAST(code AS VARCHAR),
            '^\s*([0-9]{4}-[0-9]{4}(-[0-9]{2})?)\s*$', '0\1'),  -- 4-4-2, or the product alone: 4-4
            '^\s*([0-9]{5}-)([0-9]{3}(-[0-9]{2})?)\s*$', '\10\2'),  -- 5-3-2 or 5-3
            '^\s*([0-9]{5}-[0-9]{4}-)([0-9])\s*$', '\10\2'),  -- 5-4-1
            '-', ''), '^\s*([0-9]+)\.0+\s*$', '\1')
    WHEN vocabulary IN ('CVX', 'CPT4', 'DRG', 'Revenue Code', 'CMS Place of Service', 'Medicare Specialty')
        THEN regexp_replace(upper(CAST(code AS VARCHAR)), '^\s*0*([0-9A-Z]+)(\.0+)?\s*$', '\1')
    WHEN vocabulary IN ('SNOMED', 'SNOMED Veterinary', 'Nebraska Lexicon', 'RxNorm', 'HemOnc', 'MedDRA', 'dm+d')
        THEN regexp_replace(CAST(code AS VARCHAR), '^\s*([0-9]+)\.0+\s*$', '\1')
    ELSE upper(CAST(code AS VARCHAR))
END, E' \t\r\n'), '');
