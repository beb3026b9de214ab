-- A value between an amount in moles and a mass, such as mmol/L and mg/dL, by the molar mass in grams per mole. Both
-- units may be written as a source writes them. Between units of one dimension it does what omopsql.convert_unit does.
-- NULL where the one cannot become the other, and where the molar mass is not above 0. Glucose has 180.156 g/mol,
-- creatinine 113.12, cholesterol 386.65, urea 60.06, bilirubin 584.66, calcium 40.078.
-- @param value DOUBLE
-- @param from_unit VARCHAR
-- @param to_unit VARCHAR
-- @param molar_mass DOUBLE
-- @returns DOUBLE
-- @example SELECT round(omopsql.convert_molar(5.5, 'mmol/L', 'mg/dL', 180.156), 1) --> 99.1
-- @example SELECT round(omopsql.convert_molar(1.2, 'mg/dl', 'umol/l', 113.12)) --> 106.0
-- @example SELECT omopsql.convert_molar(5.5, 'mmol/L', 'mg/h', 180.156) --> None
CREATE OR REPLACE MACRO omopsql.convert_molar(value, from_unit, to_unit, molar_mass) AS list_transform(
    [{
        'value': CAST(value AS DOUBLE),
        'molar_mass': CAST(molar_mass AS DOUBLE),
        'source': omopsql.base_units(from_unit),
        'target': omopsql.base_units(to_unit)
    }],
    lambda _conversion: (_conversion.value - _conversion.source.zero)
        * CASE
            WHEN NOT _conversion.molar_mass > 0 THEN NULL
            WHEN _conversion.source.dimension = _conversion.target.dimension THEN 1
            WHEN list_sort([if(_base = 'mol', 'g', _base) FOR _base IN _conversion.source.dimension])
                = list_sort(_conversion.target.dimension) THEN _conversion.molar_mass
            WHEN list_sort([if(_base = 'mol', 'g', _base) FOR _base IN _conversion.target.dimension])
                = list_sort(_conversion.source.dimension) THEN 1 / _conversion.molar_mass
        END
        * (_conversion.source.factor / _conversion.target.factor)
        * 10.0 ** greatest(_conversion.source.ten - _conversion.target.ten, 0)
        / 10.0 ** greatest(_conversion.target.ten - _conversion.source.ten, 0)
        + _conversion.target.zero
)[1];
