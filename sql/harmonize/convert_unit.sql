-- A value in another unit: mass, length, volume, time, temperature, pressure, energy, concentration, counts, rates, and
-- whatever else is composed of them. Both units may be written as a source writes them (omopsql.ucum reads them). NULL
-- where the one cannot become the other: unknown units, other dimensions, amounts in moles against grams
-- (omopsql.convert_molar does that), equivalents, international units against units, and different annotations in
-- braces.
-- @param value DOUBLE
-- @param from_unit VARCHAR
-- @param to_unit VARCHAR
-- @returns DOUBLE
-- @example SELECT omopsql.convert_unit(15, 'mg/dL', 'g/L') --> 0.15
-- @example SELECT omopsql.convert_unit(98.6, 'Deg. F', 'Cel') --> 37.0
-- @example SELECT omopsql.convert_unit(7.2, 'K/uL', '10^9/L') --> 7.2
-- @example SELECT omopsql.convert_unit(5, 'mcg/kg/min', 'mg/kg/h') --> 0.3
-- @example SELECT omopsql.convert_unit(1, 'mg/dL', 'mmol/L') --> None
CREATE OR REPLACE MACRO omopsql.convert_unit(value, from_unit, to_unit) AS list_transform(
    [{
        'value': CAST(value AS DOUBLE),
        'source': omopsql.base_units(from_unit),
        'target': omopsql.base_units(to_unit)
    }],
    -- A table of the caller's that had the parameter's name would come before it.
    lambda _conversion: CASE
        WHEN _conversion.source.dimension = _conversion.target.dimension
            -- A power of ten divides rather than multiply by its inverse: 15 mg/dL are 0.15 g/L to the last digit.
            THEN (_conversion.value - _conversion.source.zero)
                * greatest(_conversion.source.factor / _conversion.target.factor, 1)
                / greatest(_conversion.target.factor / _conversion.source.factor, 1)
                * 10.0 ** greatest(_conversion.source.ten - _conversion.target.ten, 0)
                / 10.0 ** greatest(_conversion.target.ten - _conversion.source.ten, 0)
                + _conversion.target.zero
    END
)[1];
