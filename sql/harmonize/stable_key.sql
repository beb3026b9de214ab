-- A whole number for a key of any kind: the same text leads to the same number, in every run and on every machine.
-- Whole numbers from 1 to 2^53 stay what they are, also where a table holds 12 as 12.0. Every other text (letters,
-- leading zeros, UUIDs) leads to a number from 2^62 to 2^63 that its MD5 gives, so the two kinds never meet. Among
-- three million texts, two of them share a number with a probability of one in a million. Blanks around a key do not
-- count, and a blank key is NULL.
-- @param key VARCHAR
-- @returns BIGINT
-- @example SELECT omopsql.stable_key('4711') --> 4711
-- @example SELECT omopsql.stable_key('b8eb8d31-1031-fb5b-e207-b9815f80744c') --> 8200166977168988791
-- @example SELECT omopsql.stable_key('007') = omopsql.stable_key('7') --> False
CREATE OR REPLACE MACRO omopsql.stable_key(key) AS CASE
    WHEN
        regexp_full_match(CAST(key AS VARCHAR), '\s*[1-9][0-9]{0,15}(\.0+)?\s*')
        AND TRY_CAST(CAST(key AS VARCHAR) AS BIGINT) <= 9007199254740992
        THEN TRY_CAST(CAST(key AS VARCHAR) AS BIGINT)
    -- Trimming costs more than MD5: only where a blank stands at an end.
    WHEN ord(CAST(key AS VARCHAR)) <= 32 OR ord(CAST(key AS VARCHAR)[-1]) <= 32
        THEN 4611686018427387904
        + CAST(md5_number(nullif(trim(CAST(key AS VARCHAR), E' \t\r\n'), '')) >> 66 AS BIGINT)
    ELSE 4611686018427387904 + CAST(md5_number(CAST(key AS VARCHAR)) >> 66 AS BIGINT)
END;
