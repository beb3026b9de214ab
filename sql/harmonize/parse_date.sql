-- The date that a text holds, where it can be read in one way only: 2026-03-04, 2026/03/04, 20260304, 04.03.2026 (day
-- first) and 04-MAR-2026, each with or without a time of day after it. NULL for everything else: 03/04/2026 has two
-- readings, and so has a year of two digits; read such a column by its own form, with try_strptime(text, '%m/%d/%Y').
-- @param text VARCHAR
-- @returns DATE
-- @example SELECT omopsql.parse_date('2026-03-04 17:30:00') --> 2026-03-04
-- @example SELECT omopsql.parse_date('20260304') --> 2026-03-04
-- @example SELECT omopsql.parse_date('4.3.2026') --> 2026-03-04
-- @example SELECT omopsql.parse_date('03/04/2026') --> None
CREATE OR REPLACE MACRO omopsql.parse_date(text) AS CASE
    WHEN regexp_full_match(CAST(text AS VARCHAR), '\s*\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\s*\d{1,2}:\d\d.*)?\s*')
        THEN TRY_CAST(regexp_extract(CAST(text AS VARCHAR), '[\d/-]+') AS DATE)
    WHEN regexp_full_match(CAST(text AS VARCHAR), '\s*\d{8}(\d{4}(\d{2})?)?(\.\d+)?([+-]\d{4})?([T ]\d.*)?\s*')
        THEN TRY_CAST(regexp_replace(CAST(text AS VARCHAR), '^\s*(\d{4})(\d{2})(\d{2}).*$', '\1-\2-\3', 's') AS DATE)
    WHEN regexp_full_match(CAST(text AS VARCHAR), '\s*\d{1,2}\.\d{1,2}\.\d{4}(,?[T ]\s*\d{1,2}:\d\d.*)?\s*')
        THEN TRY_CAST(
            regexp_replace(CAST(text AS VARCHAR), '^\s*(\d+)\.(\d+)\.(\d{4}).*$', '\3-\2-\1', 's') AS DATE
        )
    ELSE CAST(try_strptime(
        regexp_extract(CAST(text AS VARCHAR), '^\s*(\d{1,2}-[A-Za-z]{3}-\d{4})([ :]\d{1,2}:\d\d.*)?\s*$', 1), '%d-%b-%Y'
    ) AS DATE)
END;
