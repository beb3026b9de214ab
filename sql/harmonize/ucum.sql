-- The UCUM code of a unit as a source writes it. It knows words (grams, beats per minute), other cases (MG/DL), powers
-- (10^9/L, x10E3/uL), signs (µg, m²) and rates run together (mcgkgmin), atom by atom: a unit of known atoms is known. A
-- text that is UCUM already stays. Letters are read as hospitals mean them: Mg is a milligram, C is Celsius, F is
-- Fahrenheit. NULL for what is no known unit, and for what has two readings far apart, such as MU or G/L. Some UCUM
-- concepts of the CDM are spelled in their own way; put omopsql.clean_code(concept_code, 'UCUM') on their side.
-- @param unit VARCHAR
-- @returns VARCHAR
-- @example SELECT omopsql.ucum('MG/DL') --> mg/dL
-- @example SELECT omopsql.ucum('mmHg') --> mm[Hg]
-- @example SELECT omopsql.ucum('thou/mm3') --> 10*3/uL
-- @example SELECT omopsql.ucum('mcg/kg/hour') --> ug/kg/h
-- @example SELECT omopsql.ucum('Deg. F') --> [degF]
-- @example SELECT omopsql.ucum('Pos/Neg') --> None
CREATE OR REPLACE MACRO omopsql.ucum(unit) AS (
    WITH written AS (
        SELECT omopsql.atoms(unit) AS atoms
    ),
    atom AS (
        SELECT unnest(atoms, max_depth := 2), generate_subscripts(atoms, 1) AS place
        FROM written
    )
    SELECT CASE WHEN bool_and(code IS NOT NULL)
        THEN string_agg(concat(operator, code, exponent, annotation), '' ORDER BY place) END
    FROM atom
);
