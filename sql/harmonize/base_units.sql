-- What one of a unit is in base units: factor * 10^ten of them, counted from zero. Units of one dimension can be
-- converted; omopsql.convert_unit does. The base units are the gram, metre, second, kelvin (from 0 degrees Celsius) and
-- mole, and whatever has no other measure: equivalents, international units, all that stands in braces. NULL for a unit
-- that is not known.
-- @param unit VARCHAR
-- @returns STRUCT
-- @example SELECT omopsql.base_units('mg/dL').dimension --> ['g', 'm-3']
-- @example SELECT omopsql.base_units('mg/dL').ten --> 1
CREATE OR REPLACE MACRO omopsql.base_units(unit) AS (
    WITH atom AS (
        SELECT unnest(omopsql.atoms(unit), max_depth := 2)
    ),
    raised AS (
        SELECT *, coalesce(TRY_CAST(exponent AS INTEGER), 1) * CASE operator WHEN '/' THEN -1 ELSE 1 END AS power
        FROM atom
    ),
    base_unit AS (
        SELECT power, unnest(string_split(base, ' ')) AS base
        FROM raised
    ),
    symbol AS (
        SELECT
            regexp_replace(base, '-?[0-9]+$', '') AS symbol,
            power * coalesce(TRY_CAST(regexp_extract(base, '-?[0-9]+$') AS INTEGER), 1) AS power
        FROM base_unit
        WHERE base <> ''
    ),
    -- Moles per mole stay apart from other ratios: haemoglobin A1c in mmol/mol is not ten times its percents.
    dimension AS (
        SELECT symbol, sum(power) AS power
        FROM symbol
        GROUP BY symbol
        HAVING sum(power) <> 0 OR symbol = 'mol'
    )
    SELECT CASE WHEN bool_and(code IS NOT NULL) THEN {
        'factor': product(times ** power),
        'ten': sum(ten * power),
        'zero': CASE WHEN count(*) = 1 THEN max(zero) ELSE 0 END,
        'dimension': coalesce(
            (SELECT list(concat(symbol, CASE WHEN power <> 1 THEN power END) ORDER BY symbol) FROM dimension), []
        )
    } END
    FROM raised
);
