"""Keys, codes and dates as sources write them: one number, one spelling, one date, or NULL."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import omopsql

WHOLE = 2**53
VOCABULARIES = (
    "ICD9CM",
    "ICD10CM",
    "ICD10PCS",
    "ICD9Proc",
    "ICDO3",
    "OPS",
    "NDC",
    "CVX",
    "CPT4",
    "RxNorm",
    "LOINC",
    "HCPCS",
    "UCUM",
    "Read",
    "a vocabulary of our own",
    None,
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
CODES = st.one_of(TEXTS, st.text("0123456789.-/AaEeVv† *+!\t\n", max_size=14), st.text("[]U10*-3.eqi/L", max_size=12))


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for the module: the functions keep nothing."""
    connection = omopsql.connect()
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def answers(con: duckdb.DuckDBPyConnection) -> Callable[..., list[Any]]:
    """Call a function once for every row of arguments, in one query."""

    def call(function: str, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        columns = ["a", "b"][: len(rows[0])]
        con.execute(f"CREATE OR REPLACE TEMP TABLE asked (place BIGINT, {' VARCHAR, '.join(columns)} VARCHAR)")
        marks = ", ".join("?" * (1 + len(columns)))
        con.executemany(f"INSERT INTO asked VALUES ({marks})", [(place, *row) for place, row in enumerate(rows)])
        query = f"SELECT omopsql.{function}({', '.join(columns)}) FROM asked ORDER BY place"
        return [value for (value,) in con.execute(query).fetchall()]

    return call


def one(con: duckdb.DuckDBPyConnection, expression: str) -> Any:
    """The value of an expression."""
    return con.execute(f"SELECT {expression}").fetchall()[0][0]


# Keys


def test_keys_have_these_numbers_for_ever(answers):
    """Keys of an old run must still meet those of a new one: a change here is a break."""
    known = {
        "1": 1,
        "4711": 4711,
        str(WHOLE): WHOLE,
        str(WHOLE + 1): 8199287169652005355,
        "0": 8545899144839428569,
        "-1": 7064800038606820854,
        "007": 5639481817187093448,
        "1e3": 7633422811304191175,
        "a": 6361789510290141388,
        "ä": 5870846304289293041,
        "b8eb8d31-1031-fb5b-e207-b9815f80744c": 8200166977168988791,
    }
    assert dict(zip(known, answers("stable_key", [(key,) for key in known]), strict=True)) == known


def test_blanks_around_a_key_do_not_count(answers):
    assert answers("stable_key", [(" 4711 ",), ("4711\r\n",), ("\ta \r\n",), ("a b",)]) == [
        4711,
        4711,
        6361789510290141388,
        answers("stable_key", [("a b",)])[0],
    ]
    assert answers("stable_key", [("",), ("  ",), ("\t\n",), (None,)]) == [None] * 4


@pytest.mark.parametrize(
    "type_", ["UTINYINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL(9, 2)", "VARCHAR"]
)
def test_a_number_is_the_same_key_whatever_its_type(con, type_: str):
    """Exports turn whole numbers with gaps into 12.0: the key has to survive."""
    assert one(con, f"omopsql.stable_key(12::{type_})") == 12
    assert one(con, f"typeof(omopsql.stable_key(12::{type_}))") == "BIGINT"


def test_other_types_are_keys_by_their_text(con):
    uuid = "b8eb8d31-1031-fb5b-e207-b9815f80744c"
    assert one(con, f"omopsql.stable_key('{uuid}'::UUID) = omopsql.stable_key('{uuid}')")
    assert one(con, "omopsql.stable_key(DATE '2026-03-04') = omopsql.stable_key('2026-03-04')")
    assert one(con, "omopsql.stable_key(12.5) = omopsql.stable_key('12.5')")
    assert one(con, "omopsql.stable_key(2::DOUBLE ** 53)") == WHOLE
    assert one(con, "omopsql.stable_key(repeat('9', 1000000))") > 2**62


def test_a_million_keys_are_a_million_numbers(con):
    keys = "SELECT unnest(['patient ' || i, CAST(i AS VARCHAR)]) AS key FROM range(500000) AS r (i)"
    assert one(con, f"(SELECT count(DISTINCT omopsql.stable_key(key)) FROM ({keys}))") == 1_000_000


@given(st.lists(st.one_of(TEXTS, st.integers(-5, 2**64).map(str)), min_size=1, max_size=30))
def test_different_keys_have_different_numbers(answers, keys: list[str]):
    meant = {}
    for key in keys:
        plain = key.strip(" \t\r\n")
        number = plain.removesuffix(".0").removesuffix(".")
        small = number.isascii() and number.isdigit() and number[0] != "0" and int(number) <= WHOLE
        meant[key] = number if small and plain in (number, f"{number}.0") else plain
    numbers = answers("stable_key", [(key,) for key in meant])
    for text, number in zip(meant.values(), numbers, strict=True):
        assert (number is None) == (text == "")
        if number is not None and number <= WHOLE:
            assert str(number) == text
        else:
            assert number is None or 2**62 <= number < 2**63
    assert len(set(numbers)) == len(set(meant.values()))


# Codes


@pytest.mark.parametrize(
    ("vocabulary", "clean", "spellings"),
    [
        ("ICD9CM", "2859", ["2859", "285.9", " 285.9 ", "285.9\r"]),
        ("ICD9CM", "V3000", ["V3000", "v30.00"]),
        ("ICD9CM", "E8500", ["E850.0", "e8500"]),
        ("ICD9CM", "0389", ["038.9", "0389"]),
        ("ICD9Proc", "9604", ["9604", "96.04"]),
        ("ICD10CM", "E119", ["E119", "e11.9", " E11.9"]),
        ("ICD10", "A170", ["A17.0", "A17.0†", "A17.0+", "A170 +"]),
        ("ICD10GM", "G01", ["G01*", "g01"]),
        ("ICD10GM", "I10", ["I10", "I10.-", "I10-"]),
        ("ICD10PCS", "0DTJ4ZZ", ["0DTJ4ZZ", "0dtj4zz"]),
        ("ICDO3", "81403-C509", ["8140/3-C50.9", "81403-C50.9", "8140/3-c509"]),
        ("OPS", "5-47011", ["5-470.11", "5-47011"]),
        ("CVX", "8", ["8", "08", "008", "8.0"]),
        ("CVX", "0", ["0", "00"]),
        ("CPT4", "100", ["00100", "100"]),
        ("CPT4", "99254", ["99254", "99254.0"]),
        ("HCPCS", "J1234", ["j1234", "J1234 "]),
        ("LOINC", "33914-3", ["33914-3", " 33914-3"]),
        ("LOINC", "LP12345-6", ["lp12345-6"]),
        ("RxNorm", "308136", ["308136", "308136.0", " 308136.00 "]),
        ("SNOMED", "44054006", ["44054006", "44054006.0"]),
        ("NDC", "00904516561", ["00904-5165-61", "0904-5165-61", "00904516561", "00904516561.0"]),
        ("NDC", "00904051661", ["00904-516-61", "00904-0516-61"]),
        ("NDC", "00904516506", ["00904-5165-6", "00904-5165-06"]),
        ("NDC", "0904516561", ["0904516561"]),
        ("NDC", "000021433", ["0002-1433", "00002-1433"]),
        ("UCUM", "mm[Hg]", ["mm[Hg]", " mm[Hg] "]),
        ("UCUM", "MG/DL", ["MG/DL"]),
        ("UCUM", "U/L", ["U/L", "[U]/L"]),
        ("UCUM", "kU/L", ["kU/L", "10*3.[U]/L"]),
        ("UCUM", "meq/L", ["meq/L", "10*-3.eq/L"]),
        ("UCUM", "u[iU]/mL", ["u[iU]/mL", "10*-6.[iU]/mL"]),
        ("UCUM", "10*-3/uL", ["10*-3/uL"]),
        ("Read", "G30y.00", ["G30y.00", "G30y.00 "]),
        ("a vocabulary of our own", "1.0 B", ["1.0 b", "1.0 B "]),
        (None, "X", ["x"]),
    ],
)
def test_the_spellings_of_a_code_are_one(answers, vocabulary: str | None, clean: str, spellings: list[str]):
    assert set(answers("clean_code", [(code, vocabulary) for code in spellings])) == {clean}


def test_codes_that_differ_stay_apart(answers):
    apart = [
        ("G30Y.00", "Read"),
        ("G30y.00", "Read"),
        ("mmol", "UCUM"),
        ("Mmol", "UCUM"),
        ("0389", "ICD9CM"),
        ("389", "ICD9CM"),
        ("5-470", "OPS"),
        ("54-70", "OPS"),
        ("0904516561", "NDC"),
        ("904516561", "NDC"),
    ]
    assert len(set(answers("clean_code", apart))) == len(apart)


def test_a_blank_code_is_null(answers):
    blanks = [(code, vocabulary) for code in ("", "  ", "\t\r\n", None) for vocabulary in VOCABULARIES]
    assert set(answers("clean_code", blanks)) == {None}


def test_numbers_are_codes_too(con):
    assert one(con, "omopsql.clean_code(308136, 'RxNorm')") == "308136"
    assert one(con, "omopsql.clean_code(308136::DOUBLE, 'RxNorm')") == "308136"


@given(st.lists(st.tuples(CODES, st.sampled_from(VOCABULARIES)), min_size=1, max_size=30))
def test_cleaning_twice_changes_nothing(answers, codes: list[tuple[str, str | None]]):
    once = answers("clean_code", codes)
    vocabularies = [vocabulary for _, vocabulary in codes]
    assert answers("clean_code", list(zip(once, vocabularies, strict=True))) == once


@given(st.from_regex(r"[0-9]{5}-[0-9]{4}-[0-9]{2}", fullmatch=True))
def test_every_way_to_write_an_ndc_meets_its_eleven_digits(answers, ndc: str):
    labeler, product, package = ndc.split("-")
    written = [ndc, ndc.replace("-", "")]
    written += [f"{labeler[1:]}-{product}-{package}"] if labeler[0] == "0" else []
    written += [f"{labeler}-{product[1:]}-{package}"] if product[0] == "0" else []
    written += [f"{labeler}-{product}-{package[1:]}"] if package[0] == "0" else []
    assert set(answers("clean_code", [(text, "NDC") for text in written])) == {ndc.replace("-", "")}
    without_hyphens = [text.replace("-", "") for text in written]
    forms = answers("ndc_forms", [(text,) for text in without_hyphens])
    assert all((ndc.replace("-", "") in found) or set(ndc) == set("0-") for found in forms)


def test_ten_digits_may_be_three_products(answers):
    asked = ["0904516561", "1111100000", "0904-5165-61", "00904516561", "904516561", "0002-1433-80"]
    assert answers("ndc_forms", [(code,) for code in asked]) == [
        ["00904516561", "09045016561", "09045165601"],
        ["01111100000", "11111000000"],
        ["00904516561"],
        ["00904516561"],
        ["00904516561"],
        ["00002143380"],
    ]
    assert answers("ndc_forms", [("0",), ("0000000000",), ("",), ("aspirin",), ("123456789012",)]) == [[]] * 5
    assert answers("ndc_forms", [(None,)]) == [None]


def test_no_two_concepts_of_a_vocabulary_become_one(con, data_folder: Callable[[str], Path]):
    """But for the unit that the vocabulary itself holds twice, in two spellings, one of them retired."""
    concept = data_folder("vocabulary/athena_subset") / "concept.parquet"
    merged = con.execute(
        "SELECT vocabulary_id, list(DISTINCT concept_code ORDER BY concept_code) AS codes FROM read_parquet($1) "
        "GROUP BY vocabulary_id, omopsql.clean_code(concept_code, vocabulary_id) HAVING length(codes) > 1",
        [str(concept)],
    ).fetchall()
    assert merged == [("UCUM", ["U/g{HGB}", "[U]/g{HGB}"])]


def test_real_codes_without_dots_meet_their_concepts(con, data_folder: Callable[[str], Path]):
    """The vocabulary here is a small part of the whole, so only codes that stand in it can be asked for."""
    concept = str(data_folder("vocabulary/athena_subset") / "concept.parquet")
    diagnoses = str(data_folder("source/mimic3_demo") / "procedures_icd.parquet")
    query = (
        "SELECT count(DISTINCT icd9_code) FROM read_parquet($1) JOIN read_parquet($2) "
        "ON vocabulary_id = 'ICD9Proc' AND {} = {}"
    )
    as_written = con.execute(query.format("icd9_code", "concept_code"), [diagnoses, concept]).fetchall()[0][0]
    cleaned = con.execute(
        query.format("omopsql.clean_code(icd9_code, 'ICD9Proc')", "omopsql.clean_code(concept_code, 'ICD9Proc')"),
        [diagnoses, concept],
    ).fetchall()[0][0]
    assert as_written == 0
    assert cleaned > 10


# Dates

MARCH = datetime.date(2026, 3, 4)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-04",
        "2026-3-4",
        " 2026-03-04\r\n",
        "2026/03/04",
        "2026-03-04 17:30",
        "2026-03-04 17:30:59.123456",
        "2026-03-04T23:30:00-05:00",
        "2026-03-04T23:30:00Z",
        "20260304",
        "202603041730",
        "20260304173059",
        "20260304173059.123+0100",
        "20260304T173059",
        "20260304.0",
        "04.03.2026",
        "4.3.2026",
        "4.3.2026, 17:30",
        "04.03.2026 17:30:59",
        "04-MAR-2026",
        "4-mar-2026 17:30:00",
        "04-Mar-2026:17:30:00",
    ],
)
def test_a_date_with_one_reading_is_read(answers, text: str):
    assert answers("parse_date", [(text,)]) == [MARCH]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "03/04/2026",
        "25/12/2026",
        "04.03.26",
        "04-MAR-26",
        "2026-03",
        "2026",
        "2026-02-30",
        "2026-13-01",
        "20261301",
        "31.02.2026",
        "04032026",
        "2026-03-04x",
        "2026-03-04 or so",
        "2026-03-04 (BC)",
        "infinity",
        "epoch",
        "today",
        "٢٠٢٦-٠٣-٠٤",
        "9" * 100_000,
    ],
)
def test_what_has_no_single_reading_is_null(answers, text: str | None):
    assert answers("parse_date", [(text,)]) == [None]


def test_dates_and_numbers_are_read_by_their_text(con):
    assert one(con, "omopsql.parse_date(DATE '2026-03-04')") == MARCH
    assert one(con, "omopsql.parse_date(TIMESTAMP '2026-03-04 17:30:00')") == MARCH
    assert one(con, "omopsql.parse_date(20260304)") == MARCH
    assert one(con, "typeof(omopsql.parse_date(NULL))") == "DATE"


@given(st.dates(min_value=datetime.date(1000, 1, 1)))
def test_every_date_is_read_back_from_every_form(answers, date: datetime.date):
    english = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"][date.month - 1]
    forms = [
        f"{date}",
        f"{date:%Y/%m/%d}",
        f"{date:%Y%m%d}",
        f"{date:%d.%m.%Y}",
        f"{date.day}.{date.month}.{date.year}",
        f"{date.day:02}-{english}-{date.year}",
    ]
    assert set(answers("parse_date", [(form,) for form in forms])) == {date}


@given(st.lists(st.one_of(TEXTS, st.text("0123456789-/.T: MARmar", max_size=24)), min_size=1, max_size=30))
def test_no_text_stops_the_reading_of_dates(answers, texts: list[str]):
    assert all(date is None or isinstance(date, datetime.date) for date in answers("parse_date", [(t,) for t in texts]))
