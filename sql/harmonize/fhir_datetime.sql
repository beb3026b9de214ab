-- A FHIR date or time as an ISO date and time of the place where it was recorded. The offset (Z, +01:00) is taken off
-- and the clock left as it stood, so that midnight in Boston does not move to another day. A year is its first of
-- January, a month its first day. Any other text stays as it is, for whoever reads it to refuse.
-- @param text VARCHAR
-- @returns VARCHAR
-- @example SELECT omopsql.fhir_datetime('2021-03-04T23:30:00-05:00') --> 2021-03-04T23:30:00
-- @example SELECT omopsql.fhir_datetime('2019-05') --> 2019-05-01
CREATE OR REPLACE MACRO omopsql.fhir_datetime(text) AS (
    CASE length(text)
        WHEN 4 THEN text || '-01-01'
        WHEN 7 THEN text || '-01'
        ELSE regexp_replace(text, '(T.*[0-9])(Z|[+-][0-9]{2}:?[0-9]{2})$', '\1')
    END
);
