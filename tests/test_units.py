"""Units as sources write them: to UCUM, and from one unit to another."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omopsql

SAME_DIMENSION = (
    ("kg", "g", "mg", "ug", "lb", "oz"),
    ("m", "cm", "mm", "in", "ft"),
    ("L", "dL", "mL", "uL", "cm3", "mm3", "cc"),
    ("s", "min", "h", "d", "wk", "a"),
    ("Cel", "deg F", "K"),
    ("mmHg", "kPa", "cmH2O", "mbar", "psi"),
    ("mg/dL", "g/L", "ug/mL", "ng/mL"),
    ("mmol/L", "umol/L", "mol/m3"),
    ("K/uL", "10^9/L", "cells/uL", "/mm3", "10*6/mL"),
    ("U/L", "kU/L", "nkat/L", "mU/mL"),
    ("mcg/kg/min", "mg/kg/h", "ug/kg/h"),
    ("kcal", "kJ"),
)
PAIRS = st.sampled_from(SAME_DIMENSION).flatmap(lambda units: st.tuples(*[st.sampled_from(units)] * 2))
ODD_TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    st.text("mgdLUl/.*^10e3[]{}() µ²·%", max_size=14),
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for the module: the functions keep nothing."""
    connection = omopsql.connect()
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def ucum(con: duckdb.DuckDBPyConnection) -> Callable[[str | None], str | None]:
    """The UCUM code of one text."""
    return lambda unit: con.execute("SELECT omopsql.ucum($1)", [unit]).fetchall()[0][0]


@pytest.fixture(scope="module")
def convert(con: duckdb.DuckDBPyConnection) -> Callable[..., float | None]:
    """One value in another unit; with a molar mass, also from moles to grams."""

    def call(value: Any, from_unit: str | None, to_unit: str | None, *molar_mass: float | None) -> float | None:
        function = "convert_molar" if molar_mass else "convert_unit"
        marks = ", ".join("?" * (3 + len(molar_mass)))
        query = f"SELECT omopsql.{function}({marks})"
        return con.execute(query, [value, from_unit, to_unit, *molar_mass]).fetchall()[0][0]

    return call


# Codes of units


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("mg/dL", ["mg/dL", "mg/dl", "MG/DL", "mg / dL", "mgdL", "Mg/dL", "mg per dl", "milligrams/deciliter"]),
        ("mm[Hg]", ["mm[Hg]", "mmHg", "mm Hg", "MM HG", "torr", "mm of Hg"]),
        ("cm[H2O]", ["cm[H2O]", "cmH2O", "cm H2O", "cmH20"]),
        ("mL/cm[H2O]", ["mL/cm[H2O]", "mL/cmH2O", "ml/cmH"]),
        ("/min", ["/min", "bpm", "BPM", "beats/min", "beats/minute", "{beats}/min", "insp/min", "breaths per minute"]),
        ("10*3/uL", ["10*3/uL", "K/uL", "k/ul", "x10E3/uL", "10^3/µL", "10³/uL", "thou/mm3", "Tsd/µl", "x10(3)/mcL"]),
        ("10*6/uL", ["10*6/uL", "M/uL", "m/uL", "mil/uL", "10**6/uL", "x106/uL", "Mio/µl"]),
        ("10*9/L", ["10*9/L", "10^9/L", "x10^9/l", "x10⁹/L", "\u00d710^9/L", "10E9/L", "10e9/L", "Gpt/l", "G/l"]),
        ("10*12/L", ["10*12/L", "x10^12/L", "Tpt/l", "T/L"]),
        ("%", ["%", "percent", "Prozent"]),
        ("Cel", ["Cel", "C", "°C", "ºC", "deg C", "Deg. C", "degrees Celsius", "?C"]),
        ("[degF]", ["[degF]", "F", "°F", "deg F", "Deg. F", "?F"]),
        ("meq/L", ["meq/L", "mEq/L", "MEQ/L", "mval/l", "mEq./L"]),
        ("[iU]/L", ["[iU]/L", "IU/L", "iu/l", "IE/l"]),
        ("m[iU]/mL", ["m[iU]/mL", "mIU/mL", "MIU/ML"]),
        ("u[iU]/mL", ["u[iU]/mL", "uIU/mL", "µIU/mL", "mcIU/mL"]),
        ("U/L", ["U/L", "u/l", "[U]/L", "units/L", "unit/liter"]),
        ("kU/L", ["kU/L", "KU/L"]),
        ("U", ["U", "units", "UNIT"]),
        ("[lb_av]", ["[lb_av]", "lb", "lbs", "pounds"]),
        ("[in_i]", ["[in_i]", "in", "Inch", "inches"]),
        ("g/dL", ["g/dL", "gm/dl", "G/DL", "grams/deciliter"]),
        ("ug/mL", ["ug/mL", "mcg/ml", "µg/mL", "μg/mL", "UG/ML"]),
        ("umol/L", ["umol/L", "µmol/l", "uM", "micromol/L"]),
        ("mmol/L", ["mmol/L", "MMOL/L", "mM", "mM/L"]),
        ("ug/kg/min", ["ug/kg/min", "mcg/kg/min", "mcgkgmin", "mcg / kg / minute"]),
        ("mg/h", ["mg/h", "mg/hr", "mg/hour", "mghr"]),
        ("meq/h", ["mEq./hour"]),
        ("mg/(24.h)", ["mg/(24.h)", "mg/24h", "mg/24 hrs", "MG/24HR"]),
        ("mL/min/{1.73_m2}", ["mL/min/{1.73_m2}", "mL/min/1.73m2", "ml/min/1.73 m^2", "mL/min/(173.10*-2.m2)"]),
        ("kg/m2", ["kg/m2", "kg/m^2", "kg/m²", "kg/sqm"]),
        ("mg/g{creat}", ["mg/g{creat}", "mg/g creat", "mg/g Creatinine"]),
        ("ug{FEU}/mL", ["ug{FEU}/mL", "ug/mL FEU", "mcg/ml FEU"]),
        ("g.m/m2", ["g.m/m2", "g*m/m2", "g * m / m2"]),
        ("/[HPF]", ["/[HPF]", "#/hpf", "/HPF"]),
        ("/uL", ["/uL", "#/uL", "/mcL", "/mic l"]),
        ("mosm/kg", ["mosm/kg", "mOsm/kg", "MOSM/KG"]),
        ("mm/h", ["mm/h", "mm/hr"]),
        ("s", ["s", "sec", "SECONDS"]),
        ("a", ["a", "yr", "years"]),
        ("[pH]", ["[pH]", "pH", "pH units"]),
        ("10*6.U", ["million units", "10*6.[U]"]),
        ("/100{WBC}", ["/100{WBC}"]),
        ("[arb'U]/mL", ["[arb'U]/mL"]),
        ("{score}", ["{score}", "points"]),
        ("{T-score}", ["{T-score}"]),
        ("1", ["1"]),
    ],
)
def test_the_spellings_of_a_unit_are_one(ucum, code: str, texts: list[str]):
    assert {text: ucum(text) for text in texts} == dict.fromkeys(texts, code)


@pytest.mark.parametrize(
    "text",
    [
        *(
            None,
            "",
            " ",
            "..",
            "...",
            "/",
            "//",
            "+/-",
            "Pos/Neg",
            "None",
            "n/a",
            "mg//dL",
            "mg/",
            "mg/dL)",
            "{",
            "[",
            "37",
        ),
        *("V-mA", "aspirin", "mg/furlong", "10*1000/L", "VIAL", "\U0001f600", "mg" * 10_000),
    ],
)
def test_what_is_no_unit_is_null(ucum, text: str | None):
    assert ucum(text) is None


@pytest.mark.parametrize("text", ["M", "MU", "MIU", "G/L", "Cal"])
def test_what_has_two_readings_far_apart_is_null(ucum, text: str):
    """Molar or metre, mega or milli, giga or gram, a kilocalorie or a calorie."""
    assert ucum(text) is None


@settings(max_examples=50)
@given(st.lists(ODD_TEXTS, min_size=1, max_size=50))
def test_a_code_is_its_own_code_whatever_it_came_from(con, texts: list[str]):
    con.execute("CREATE OR REPLACE TEMP TABLE asked (unit VARCHAR)")
    con.executemany("INSERT INTO asked VALUES (?)", [(text,) for text in texts])
    con.execute("CREATE OR REPLACE TEMP TABLE read AS SELECT unit, omopsql.ucum(unit) AS code FROM asked")
    wrong = con.execute("SELECT unit, code FROM read WHERE omopsql.ucum(code) IS DISTINCT FROM code").fetchall()
    assert wrong == []


def test_units_are_read_wherever_an_expression_stands(con):
    con.execute("CREATE OR REPLACE TEMP TABLE lab (unit VARCHAR, text VARCHAR, size DOUBLE, asked DOUBLE)")
    con.execute(
        "INSERT INTO lab VALUES ('mg/dl', 'g/l', 15, 1), ('MG/DL', 'g/l', 35, 1), (NULL, 'g/l', 1, 1), ('x', '', 1, 1)"
    )
    assert con.execute(
        "SELECT omopsql.ucum(unit) AS code, count(*), sum(omopsql.convert_unit(size * asked, unit, text)) FROM lab "
        "GROUP BY omopsql.ucum(unit) ORDER BY code NULLS FIRST"
    ).fetchall() == [(None, 2, None), ("mg/dL", 2, 0.5)]
    assert con.execute("SELECT count(*) FROM lab WHERE omopsql.ucum(unit) = 'mg/dL'").fetchall() == [(2,)]
    assert con.execute(
        "SELECT count(*) FROM lab JOIN (SELECT 'mg/dL' AS code) ON omopsql.ucum(unit) = code"
    ).fetchall() == [(2,)]
    con.execute("CREATE OR REPLACE TEMP VIEW coded AS SELECT omopsql.ucum(unit) AS unit FROM lab")
    con.execute("UPDATE lab SET unit = omopsql.ucum(unit)")
    assert (
        con.execute("SELECT unit FROM coded ORDER BY ALL").fetchall()
        == con.execute("SELECT unit FROM lab ORDER BY ALL").fetchall()
    )


def test_the_units_of_real_intensive_care_are_known(con, data_folder: Callable[[str], Path]):
    folder = data_folder("source/mimic3_demo")
    columns = {
        "labevents": "valueuom",
        "chartevents": "valueuom",
        "outputevents": "valueuom",
        "inputevents_mv": "rateuom",
        "inputevents_cv": "rateuom",
    }
    unknown = set()
    for table, column in columns.items():
        found = con.execute(
            f"SELECT DISTINCT {column} FROM read_parquet($1) "
            f"WHERE {column} IS NOT NULL AND omopsql.ucum({column}) IS NULL",
            [str(folder / f"{table}.parquet")],
        ).fetchall()
        unknown |= {unit for (unit,) in found}
    assert unknown == {"+/-", "Pos/Neg", "...", ".", "sum", "V-mA"}  # none of these is a unit


def test_most_of_real_laboratory_values_reach_a_unit_concept(con, data_folder: Callable[[str], Path]):
    laboratory = str(data_folder("source/mimic3_demo") / "labevents.parquet")
    concept = str(data_folder("vocabulary/athena_subset") / "concept.parquet")
    without = con.execute(
        "WITH code AS (SELECT omopsql.clean_code(concept_code, 'UCUM') AS code FROM read_parquet($2) "
        "WHERE vocabulary_id = 'UCUM') "
        "SELECT DISTINCT valueuom FROM read_parquet($1) WHERE omopsql.ucum(valueuom) NOT IN (FROM code)",
        [laboratory, concept],
    ).fetchall()
    assert without == []


def test_the_units_of_simulated_sources_are_ucum_already(con, data_folder: Callable[[str], Path]):
    observations = str(data_folder("source/synthea_27") / "observations.csv")
    changed = con.execute(
        "SELECT DISTINCT units FROM read_csv($1, all_varchar = true) "
        "WHERE units <> 'null' AND omopsql.ucum(units) IS DISTINCT FROM units",
        [observations],
    ).fetchall()
    assert changed == []


# Values in other units


@pytest.mark.parametrize(
    ("value", "from_unit", "to_unit", "expected"),
    [
        (15, "mg/dL", "g/L", 0.15),
        (0.15, "g/L", "mg/dL", 15),
        (1, "kg", "g", 1000),
        (180, "lbs", "kg", 81.6466266),
        (1, "lb", "oz", 16),
        (70, "inches", "cm", 177.8),
        (1, "ft", "in", 12),
        (98.6, "Deg. F", "Cel", 37),
        (37, "°C", "°F", 98.6),
        (-40, "C", "F", -40),
        (0, "K", "Cel", -273.15),
        (760, "mmHg", "kPa", 101.325),
        (1, "bar", "kPa", 100),
        (10, "cmH2O", "mm[Hg]", 7.35559),
        (7.2, "K/uL", "10^9/L", 7.2),
        (7200, "cells/uL", "10*3/uL", 7.2),
        (4.5, "M/uL", "10*12/L", 4.5),
        (5, "mcg/kg/min", "mg/kg/h", 0.3),
        (60, "U/L", "nkat/L", 1000.2),
        (60, "U/L", "umol/min/L", 60),
        (3, "d", "hours", 72),
        (2, "years", "mo", 24),
        (1, "g/day", "mg/24h", 1000),
        (0.42, "L/L", "%", 42),
        (1, "kcal", "kJ", 4.184),
        (1, "Ci", "GBq", 37),
        (1.5, "mEq/L", "meq/dL", 0.15),
        (250, "[arb'U]/mL", "[arb'U]/L", 250_000),
        (3, "m2", "cm2", 30_000),
        (5, "/100{WBC}", "/100{WBC}", 5),
    ],
)
def test_a_value_in_another_unit(convert, value: float, from_unit: str, to_unit: str, expected: float):
    assert convert(value, from_unit, to_unit) == pytest.approx(expected, rel=1e-3 if "kat" in to_unit else 1e-5)


def test_powers_of_ten_are_exact(con):
    wrong = con.execute(
        "SELECT i FROM range(2000) AS r (i) WHERE omopsql.convert_unit(i, 'mg/dL', 'g/L') <> i / 100 "
        "OR omopsql.convert_unit(i / 100, 'g/L', 'mg/dL') <> (i / 100) * 100"
    ).fetchall()
    assert wrong == []


@pytest.mark.parametrize(
    ("from_unit", "to_unit"),
    [
        ("kg", "m"),
        ("mg/dL", "mmol/L"),
        ("mmol/L", "meq/L"),
        ("IU/L", "U/L"),
        ("mmol/mol", "%"),  # haemoglobin A1c: 48 mmol/mol are 6.5 %
        ("mL/min", "mL/min/1.73m2"),
        ("ug/mL", "ug/mL FEU"),
        ("mg/g", "mg/g creat"),
        ("{score}", "%"),
        ("points", "{T-score}"),
        ("tab", "puff"),
        ("", "kg"),
        ("kg", None),
        ("smoot", "smoot"),
        (None, None),
    ],
)
def test_what_cannot_become_the_other_is_null(convert, from_unit: str | None, to_unit: str | None):
    assert convert(1, from_unit, to_unit) is None
    assert convert(1, to_unit, from_unit) is None


@pytest.mark.parametrize(
    ("value", "from_unit", "to_unit", "molar_mass", "expected"),
    [
        (5.5, "mmol/L", "mg/dL", 180.156, 99.0858),
        (99.0858, "mg/dl", "mmol/l", 180.156, 5.5),
        (1.2, "mg/dL", "umol/L", 113.12, 106.082),
        (2, "mol", "g", 18.015, 36.03),
        (1, "mg/dL", "g/L", 100, 0.01),
        (98.6, "F", "C", 100, 37),
        (5.5, "mmol/L", "mg/h", 180.156, None),
        (5.5, "mmol/L", "meq/L", 180.156, None),
        (5.5, "mmol/L", "mg/dL", 0, None),
        (5.5, "mmol/L", "mg/dL", -1, None),
        (5.5, "mmol/L", "mg/dL", None, None),
        (None, "mmol/L", "mg/dL", 180.156, None),
    ],
)
def test_moles_and_grams(convert, value, from_unit, to_unit, molar_mass, expected):
    found = convert(value, from_unit, to_unit, molar_mass)
    assert found is None if expected is None else found == pytest.approx(expected, rel=1e-6)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), PAIRS), min_size=1, max_size=50))
def test_there_and_back_is_where_it_was(con, asked: list[tuple[float, tuple[str, str]]]):
    con.execute("CREATE OR REPLACE TEMP TABLE asked (value DOUBLE, here VARCHAR, there VARCHAR)")
    con.executemany("INSERT INTO asked VALUES (?, ?, ?)", [(value, *units) for value, units in asked])
    back = con.execute(
        "SELECT value, omopsql.convert_unit(omopsql.convert_unit(value, here, there), there, here) FROM asked"
    ).fetchall()
    assert [found for _, found in back] == pytest.approx([value for value, _ in back], rel=1e-12, abs=1e-9)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(1, 1e5)), min_size=1, max_size=50))
def test_moles_there_and_back(con, asked: list[tuple[float, float]]):
    con.execute("CREATE OR REPLACE TEMP TABLE asked (value DOUBLE, mass DOUBLE)")
    con.executemany("INSERT INTO asked VALUES (?, ?)", asked)
    there = "omopsql.convert_molar(value, 'mmol/L', 'mg/dL', mass)"
    back = con.execute(f"SELECT value, omopsql.convert_molar({there}, 'mg/dL', 'mmol/L', mass) FROM asked").fetchall()
    assert [found for _, found in back] == pytest.approx([value for value, _ in back], rel=1e-12)


def test_values_that_are_no_numbers_stay_so(convert):
    assert convert(None, "kg", "g") is None
    assert math.isnan(convert(math.nan, "kg", "g"))
    assert convert(math.inf, "kg", "g") == math.inf
    assert convert(1e300, "g", "kg") == 1e297
    assert convert(5e-324, "kg", "kg") == 5e-324


def test_the_pieces_of_a_unit_are_there_to_look_at(con):
    (atoms,) = con.execute("SELECT omopsql.atoms('10^3/mcL{blood}')").fetchall()[0]
    parts = ("operator", "code", "exponent", "annotation")
    assert [tuple(atom[part] for part in parts) for atom in atoms] == [("", "10*", "3", ""), ("/", "uL", "", "{blood}")]
    (unknown,) = con.execute("SELECT list_transform(omopsql.atoms('mg/furlong'), lambda a: a.code)").fetchall()[0]
    assert unknown == ["mg", None]
    (size,) = con.execute("SELECT omopsql.base_units('mmHg')").fetchall()[0]
    assert size == {"factor": 133.322387415, "ten": 3, "zero": 0, "dimension": ["g", "m-1", "s-2"]}
    assert con.execute("SELECT count(*) = count(DISTINCT spelling) FROM omopsql.unit_atom").fetchall() == [(True,)]
    assert con.execute("SELECT count(*) = count(DISTINCT spelling) FROM omopsql.unit_phrase").fetchall() == [(True,)]


def test_every_phrase_is_itself_a_unit(con):
    assert con.execute("SELECT spelling FROM omopsql.unit_phrase WHERE ucum <> omopsql.ucum(ucum)").fetchall() == []
    assert (
        con.execute(
            "SELECT spelling FROM omopsql.unit_phrase WHERE ucum IS NOT NULL AND omopsql.ucum(ucum) IS NULL"
        ).fetchall()
        == []
    )


def test_every_atom_is_its_own_code(con):
    wrong = con.execute(
        "SELECT DISTINCT code, omopsql.ucum(code) FROM omopsql.unit_atom "
        "WHERE code NOT IN ('10*', '10*9', '10*12') AND omopsql.ucum(code) IS DISTINCT FROM code"
    ).fetchall()
    assert wrong == []
