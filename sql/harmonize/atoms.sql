-- The atoms that a unit is made of, in order, as omopsql.ucum and omopsql.convert_unit read it. Each has its operator
-- ('', '/' or '.'), UCUM code, exponent, annotation, and its size: times * 10^ten of the units in base, counted from
-- zero. An atom that is not known has no code. The table omopsql.unit_atom lists the spellings of every atom,
-- omopsql.unit_phrase the units that are written in one word.
-- @param unit VARCHAR
-- @returns STRUCT[]
-- @example SELECT list_transform(omopsql.atoms('mcg/hour'), lambda atom: atom.code) --> ['ug', 'h']
-- @example SELECT omopsql.atoms('mcg/hour')[2].times --> 3600.0
CREATE OR REPLACE TABLE omopsql.unit_atom AS
-- A row for each spelling of each atom, with every prefix it takes: its UCUM code, that code in lower case, and the
-- words listed. Where two atoms share a spelling, the one whose code it is has it, then the first listed.
WITH prefix (symbol, written, ten) AS (
    VALUES
    ('', [''], 0), ('k', ['k', 'kilo'], 3), ('h', ['h', 'hecto'], 2), ('d', ['d', 'deci'], -1),
    ('c', ['c', 'centi'], -2), ('m', ['m', 'milli'], -3), ('u', ['u', 'mc', 'micro'], -6), ('n', ['n', 'nano'], -9),
    ('p', ['p', 'pico'], -12), ('f', ['f', 'femto'], -15), ('M', ['mega'], 6), ('G', ['giga'], 9)
),
listed AS (
    SELECT row_number() OVER () AS place, * FROM (VALUES
    -- mass, length, volume, time, temperature
    ('g', 'kdcmunpf', 'gs gm gms gram grams gramm', 1, 0, 'g', 0),
    ('L', 'hdcmunpf', 'l ls ltr liter liters litre litres', 1, -3, 'm3', 0),
    ('m', 'kdcmunp', 'meter meters metre metres', 1, 0, 'm', 0),
    ('mL', '', 'cc ccm', 1, -6, 'm3', 0),
    ('mm3', '', 'cmm cumm', 1, -9, 'm3', 0),
    ('m2', '', 'sqm qm', 1, 0, 'm2', 0),
    ('s', 'munp', 'sec secs sek second seconds sekunden', 1, 0, 's', 0),
    ('min', '', 'minute minutes mins minuten', 60, 0, 's', 0),
    ('h', '', 'hr hrs hour hours std', 3600, 0, 's', 0),
    ('d', '', 'day days tag tage', 86400, 0, 's', 0),
    ('(24.h)', '', '24h 24hr 24hrs 24hour 24hours', 86400, 0, 's', 0),
    ('wk', '', 'w week weeks', 604800, 0, 's', 0),
    ('mo', '', 'month months', 2629800, 0, 's', 0),
    ('a', '', 'y yr yrs year years', 31557600, 0, 's', 0),
    ('Cel', '', 'c °c ºc ?c ℃ degc [degc] degreec degreesc degreecelsius degreescelsius celsius', 1, 0, 'K', 0),
    ('[degF]', '', 'f °f ºf ?f ℉ degf degreef degreesf degreefahrenheit degreesfahrenheit fahrenheit',
        5 / 9, 0, 'K', 32),
    ('K', '', 'kelvin', 1, 0, 'K', 273.15),
    ('[lb_av]', '', 'lb lbs pound pounds', 453.59237, 0, 'g', 0),
    ('[oz_av]', '', 'oz ounce ounces', 28.349523125, 0, 'g', 0),
    ('[gr]', '', 'grain grains', 64.79891, -3, 'g', 0),
    ('[in_i]', '', 'in inch inches', 2.54, -2, 'm', 0),
    ('[ft_i]', '', 'ft feet foot', 30.48, -2, 'm', 0),
    ('[foz_us]', '', 'floz', 29.5735295625, -6, 'm3', 0),
    ('[tsp_us]', '', 'tsp teaspoon teaspoons', 4.92892159375, -6, 'm3', 0),
    ('[tbs_us]', '', 'tbsp tablespoon tablespoons', 14.78676478125, -6, 'm3', 0),
    -- amount, charge, activity
    ('mol', 'dcmunpf', 'mole moles', 1, 0, 'mol', 0),
    ('eq', 'mun', 'val equiv equivalent equivalents', 1, 0, 'eq', 0),
    ('osm', 'm', 'osmol osmole osmoles', 1, 0, 'osm', 0),
    ('U', 'kmunp', '[u] unit units einheiten', 1 / 60, -6, 'mol s-1', 0),
    ('[iU]', 'kmun', 'iu ie', 1, 0, '[iU]', 0),
    ('kat', 'mun', 'katal', 1, 0, 'mol s-1', 0),
    -- pressure, energy, electricity, radiation
    ('mm[Hg]', '', 'mmhg torr', 133.322387415, 3, 'g m-1 s-2', 0),
    ('cm[H2O]', '', 'cmh2o cmh20', 98.0665, 3, 'g m-1 s-2', 0),
    ('Pa', 'khm', 'pascal', 1, 3, 'g m-1 s-2', 0),
    ('atm', '', '', 101325, 3, 'g m-1 s-2', 0),
    ('bar', 'm', '', 1, 8, 'g m-1 s-2', 0),
    ('[psi]', '', 'psi', 6894.757293168, 3, 'g m-1 s-2', 0),
    ('J', 'kM', 'joule joules', 1, 3, 'g m2 s-2', 0),
    ('cal', 'k', 'calorie calories', 4.184, 3, 'g m2 s-2', 0),
    ('W', 'mk', 'watt watts', 1, 3, 'g m2 s-3', 0),
    ('N', 'm', 'newton', 1, 3, 'g m s-2', 0),
    ('dyn', '', 'dyne dynes', 1, -2, 'g m s-2', 0),
    ('P', 'cm', 'poise', 1, 2, 'g m-1 s-1', 0),
    ('V', 'mu', 'volt volts', 1, 0, 'V', 0),
    ('A', 'mu', 'ampere amperes', 1, 0, 'A', 0),
    ('Ohm', 'k', 'ohms', 1, 0, 'Ohm', 0),
    ('Hz', 'kMG', 'hertz', 1, 0, 's-1', 0),
    ('T', 'm', 'tesla', 1, 0, 'T', 0),
    ('lm', '', 'lumen', 1, 0, 'lm', 0),
    ('lx', '', 'lux', 1, 0, 'lx', 0),
    ('rad', '', 'radian radians', 1, 0, 'rad', 0),
    ('Gy', 'cmu', 'gray', 1, 0, 'Gy', 0),
    ('Sv', 'mu', 'sievert', 1, 0, 'Sv', 0),
    ('Bq', 'kMG', 'becquerel', 1, 0, 'Bq', 0),
    ('Ci', 'mu', 'curie', 37, 9, 'Bq', 0),
    ('Da', 'k', 'dalton', 1, 0, 'Da', 0),
    ('dB', '', '', 1, 0, 'dB', 0),
    ('deg', '', '° degree degrees', 1, 0, 'deg', 0),
    ('[diop]', '', 'dpt diopter diopters', 1, 0, 'm-1', 0),
    -- numbers, and things that are counted
    ('1', '', '', 1, 0, '', 0),
    ('10*', '', '', 1, 1, '', 0),
    ('10*9', '', 'gpt', 1, 9, '', 0),
    ('10*12', '', 'tpt', 1, 12, '', 0),
    ('%', '', 'percent pct prozent', 1, -2, '', 0),
    ('[ppm]', '', 'ppm', 1, -6, '', 0),
    ('[ppb]', '', 'ppb', 1, -9, '', 0),
    ('{cells}', '', 'cell cells zellen', 1, 0, '', 0),
    ('{copies}', '', 'copies', 1, 0, '{copies}', 0),
    ('[CFU]', '', 'cfu', 1, 0, '[CFU]', 0),
    ('[EU]', '', 'eu', 1, 0, '[EU]', 0),
    ('[HPF]', '', 'hpf', 1, 0, '[HPF]', 0),
    ('[LPF]', '', 'lpf', 1, 0, '[LPF]', 0),
    ('[MET]', '', 'mets', 1, 0, '[MET]', 0),
    ('[pH]', '', 'ph phunit phunits', 1, 0, '[pH]', 0),
    ('[drp]', '', 'drop drops gtt gtts tropfen', 1, 0, '[drp]', 0),
    ('{hb}', '', 'beat beats heartbeat', 1, 0, '{hb}', 0),
    ('{tbl}', '', 'tab tabs tablet tablets', 1, 0, '{tbl}', 0),
    ('{actuat}', '', 'puff puffs', 1, 0, '{actuat}', 0),
    ('{dose}', '', 'dose doses', 1, 0, '{dose}', 0),
    ('{score}', '', '[score] score scores point points', 1, 0, '{score}', 0),
    ('{index}', '', 'index', 1, 0, '{index}', 0),
    ('{ratio}', '', 'ratio', 1, 0, '{ratio}', 0),
    ('{fraction}', '', 'fraction decfrc', 1, 0, '{fraction}', 0),
    ('{titer}', '', 'titer titre', 1, 0, '{titer}', 0),
    ('{INR}', '', 'inr', 1, 0, '{INR}', 0),
    ('{#}', '', '# number', 1, 0, '{#}', 0)
    ) AS atom (code, prefixes, spellings, times, ten, base, zero)
),
spelled AS (
    SELECT
        symbol || code AS code, times, listed.ten + prefix.ten AS ten, base, zero, place,
        unnest(
            [symbol || code, prefix_text || lower(code)]
            || [prefix_text || word FOR word IN string_split(spellings, ' ') IF word <> '']
        ) AS spelling
    FROM listed INNER JOIN prefix ON contains(prefixes, symbol), unnest(written) AS one (prefix_text)
)
SELECT DISTINCT ON (spelling)
    spelling, code, CAST(times AS DOUBLE) AS times, ten, base, CAST(zero AS DOUBLE) AS zero
FROM spelled
ORDER BY spelling, spelling IS DISTINCT FROM code, place;

-- Units written in one word or in a word of the ward, without blanks, as they stand or in lower case. NULL is for those
-- with two readings that lie far apart: MU is a million units or a thousandth of one.
CREATE OR REPLACE TABLE omopsql.unit_phrase AS
WITH thousand (spelling, power) AS (
    VALUES ('k', 3), ('th', 3), ('thou', 3), ('thous', 3), ('thousand', 3), ('tsd', 3), ('1000', 3), ('x1000', 3),
    ('m', 6), ('mil', 6), ('mill', 6), ('million', 6), ('millions', 6), ('mio', 6)
),
microlitre (spelling) AS (
    VALUES ('ul'), ('mcl'), ('mm3'), ('cmm'), ('cumm'), ('microl'), ('microliter')
)
SELECT concat(thousand.spelling, '/', microlitre.spelling) AS spelling, concat('10*', power, '/uL') AS ucum
FROM thousand, microlitre
UNION ALL
VALUES
('deg.c', 'Cel'), ('deg.f', '[degF]'), ('bpm', '/min'), ('lpm', 'L/min'), ('l/m', 'L/min'), ('rpm', '/min'),
('mgdl', 'mg/dL'), ('gdl', 'g/dL'), ('mmoll', 'mmol/L'), ('meql', 'meq/L'), ('iul', '[iU]/L'),
('mcgkgmin', 'ug/kg/min'), ('mcghr', 'ug/h'), ('mcgmin', 'ug/min'), ('mghr', 'mg/h'), ('mgmin', 'mg/min'),
('mgkghr', 'mg/kg/h'), ('uhr', 'U/h'), ('umin', 'U/min'), ('mlhr', 'mL/h'),
('mmofhg', 'mm[Hg]'), ('ml/cmh', 'mL/cm[H2O]'), ('ml/b', 'mL/{hb}'), ('u/g/hb', 'U/g{HGB}'), ('/micl', '/uL'),
('kgxm', 'kg.m'), ('gxm', 'g.m'), ('millionunits', '10*6.U'), ('millionu', '10*6.U'),
('mM', 'mmol/L'), ('mM/L', 'mmol/L'), ('uM', 'umol/L'), ('uM/L', 'umol/L'), ('nM', 'nmol/L'), ('nM/L', 'nmol/L'),
('pM', 'pmol/L'), ('pM/L', 'pmol/L'), ('G/l', '10*9/L'), ('T/l', '10*12/L'), ('T/L', '10*12/L'),
('n/a', NULL), ('M', NULL), ('G/L', NULL), ('Cal', NULL), ('MU', NULL), ('MIU', NULL);

CREATE OR REPLACE MACRO omopsql.atoms(unit) AS (
    WITH compact AS (
        SELECT regexp_replace(
            translate(
                regexp_replace(regexp_replace(CAST(unit AS VARCHAR), '\s+per\s+', '/', 'gi'), '\s+', '', 'g'),
                'µμ×·⋅', 'uux..'
            ),
            '10([⁰¹²³⁴-⁹]+)', '10*\1', 'g'
        ) AS text
    ),
    -- 10^9 and x10E3 become 10*9 and 10*3, m^2 becomes m2, g*m becomes g.m. A dot after an abbreviation goes, and so do
    -- beats and breaths: what is counted is not part of the unit.
    tidy AS (
        SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            translate(text, '⁰¹²³⁴⁵⁶⁷⁸⁹', '0123456789'),
            '(^|[./])(?:[x*]10(?:\*\*|[*^e])?|10(?:\*\*|[*^e(]))\(?(-?[0-9]+)\)?', '\110*\2', 'gi'),
            '([a-z])(?:\^|\*\*)(-?[0-9])', '\1\2', 'gi'),
            '([a-z])\*([a-z])', '\1.\2', 'gi'),
            '\.(/|$)', '\1', 'g'),
            '^(#|\{?(?:beats?|breaths?|insp|resp|pulses?)\}?)/', '/', 'i') AS text
        FROM compact
    ),
    -- Body surface, day, creatinine, fibrinogen equivalents and the water column have many spellings.
    marked AS (
        SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            text,
            '/[({]?1?[.,]?73[_.]?(\.?10\*-2)?[_.]?(m2|sqm|qm)?[)}]?$', '/{1.73_m2}', 'i'),
            '/24(h|hr|hrs|hours?)$', '/(24.h)', 'i'),
            '(g|mol)(?:creatinine|creat|crea|cr)$', '\1{creat}', 'i'),
            '^([a-z]+)/(m?l)feu$', '\1{FEU}/\2', 'i'),
            'cm(?:of)?h2[o0]', 'cm[H2O]', 'i') AS text
        FROM tidy
    ),
    written AS (
        SELECT CASE WHEN phrase.spelling IS NULL THEN text ELSE phrase.ucum END AS text
        FROM marked
        LEFT JOIN omopsql.unit_phrase AS phrase ON phrase.spelling
            = CASE WHEN text IN (SELECT spelling FROM omopsql.unit_phrase) THEN text ELSE lower(text) END
    ),
    cut AS (
        SELECT
            text,
            regexp_extract_all(text, '[./]?(?:\([^()]*\)|\{[^{}]*\}|\[[^][]*\]|[^][./(){}])+') AS pieces
        FROM written
    ),
    placed AS (
        SELECT unnest(pieces) AS piece, generate_subscripts(pieces, 1) AS place
        FROM cut
        WHERE list_aggregate(pieces, 'string_agg', '') = text  -- an open bracket or a double stroke is no unit
    ),
    part AS (
        SELECT place, unnest(regexp_extract(
            piece,
            '^([./]?)(10\*|[0-9]+|\([^()]*\)|(?:[^][(){}0-9-]|\[[^][]*\])*)(-?[0-9]{1,2})?(\{[^{}]*\})?$',
            ['operator', 'name', 'exponent', 'annotation']
        ))
        FROM placed
    ),
    -- An annotation that stands alone is a name.
    named AS (
        SELECT
            place, operator, exponent,
            CASE WHEN name = '' THEN annotation ELSE name END AS name,
            CASE WHEN name = '' THEN '' ELSE annotation END AS annotation,
            operator = '/' AND regexp_full_match(name, '[0-9]+') AS is_divisor
        FROM part
    ),
    known AS (
        SELECT
            place, operator, exponent, annotation,
            CASE
                WHEN atom.spelling IS NOT NULL THEN atom.code
                WHEN is_divisor OR regexp_full_match(name, '\{.*\}|[a-zA-Z]?\[[A-Za-z0-9_'']+\]|\([0-9]+\.h\)')
                    THEN name
            END AS code,
            CASE WHEN is_divisor THEN CAST(name AS DOUBLE) ELSE coalesce(times, 1) END AS times,
            coalesce(ten, 0) AS ten,
            concat_ws(' ', CASE WHEN NOT is_divisor THEN coalesce(base, name) END, nullif(annotation, '')) AS base,
            coalesce(zero, 0) AS zero
        FROM named
        LEFT JOIN omopsql.unit_atom AS atom ON atom.spelling
            = CASE WHEN name IN (SELECT spelling FROM omopsql.unit_atom) THEN name ELSE lower(name) END
    )
    SELECT list({
        'operator': operator, 'code': code, 'exponent': exponent, 'annotation': annotation,
        'times': times, 'ten': ten, 'base': base, 'zero': zero
    } ORDER BY place)
    FROM known
);
