"""The derived tables of a CDM: eras and observation periods, on rows made here and against OHDSI's own."""

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import duckdb
import pytest

from omopsql import OmopsqlError
from omopsql.harmonize.cdm_source import need_tables, open_cdm
from omopsql.quoting import literal

TABLES = """
CREATE TABLE condition_occurrence (
    person_id BIGINT, condition_concept_id INTEGER, condition_start_date DATE, condition_end_date DATE
);
CREATE TABLE drug_exposure (
    person_id BIGINT, drug_concept_id INTEGER, drug_exposure_start_date DATE, drug_exposure_end_date DATE,
    quantity DOUBLE, days_supply INTEGER
);
CREATE TABLE visit_occurrence (person_id BIGINT, visit_start_date DATE, visit_end_date DATE);
CREATE TABLE death (person_id BIGINT, death_date DATE);
CREATE TABLE concept (
    concept_id INTEGER, concept_name VARCHAR, vocabulary_id VARCHAR, concept_class_id VARCHAR
);
INSERT INTO concept VALUES
    (1, 'aspirin', 'RxNorm', 'Ingredient'), (2, 'codeine', 'RxNorm', 'Ingredient'),
    (3, 'insulin', 'RxNorm', 'Ingredient'), (4, 'insulin, lispro', 'RxNorm', 'Ingredient'),
    (5, 'potassium', 'RxNorm', 'Ingredient'), (6, 'losartan', 'RxNorm', 'Ingredient'),
    (10, 'aspirin 100 MG Oral Tablet', 'RxNorm', 'Clinical Drug'),
    (11, 'Aspirin 325 MG / Codeine Phosphate 30 MG Oral Tablet [Brand]', 'RxNorm', 'Branded Drug'),
    (12, '3 ML insulin, lispro 100 UNT/ML Cartridge', 'RxNorm', 'Quant Clinical Drug'),
    (13, 'losartan potassium 50 MG Oral Tablet', 'RxNorm', 'Clinical Drug'),
    (14, 'aspirin vaccine', 'CVX', 'CVX');
CREATE TABLE concept_ancestor (ancestor_concept_id INTEGER, descendant_concept_id INTEGER);
INSERT INTO concept_ancestor VALUES (1, 1), (1, 10), (1, 10), (14, 14);
"""

Spans = list[tuple[str, str | None]]


@pytest.fixture
def cdm(con) -> duckdb.DuckDBPyConnection:
    """A schema ``main`` with the tables that eras are made of; events are for the tests to add."""
    con.execute(TABLES)
    return con


def add_conditions(con: duckdb.DuckDBPyConnection, spans: Spans, person: int = 1, concept: int = 7) -> None:
    con.executemany(
        "INSERT INTO condition_occurrence VALUES (?, ?, ?, ?)", [(person, concept, start, end) for start, end in spans]
    )


def condition_eras(con: duckdb.DuckDBPyConnection, gap: int = 30) -> list[tuple[str, str, int]]:
    return con.execute(
        "SELECT CAST(condition_era_start_date AS VARCHAR), CAST(condition_era_end_date AS VARCHAR), "
        f"condition_occurrence_count FROM omopsql.condition_era('main', gap := {gap}) ORDER BY condition_era_id"
    ).fetchall()


def add_exposures(con: duckdb.DuckDBPyConnection, spans: Spans, drug: int = 10, days: int | None = None) -> None:
    con.executemany(
        "INSERT INTO drug_exposure VALUES (1, ?, ?, ?, 30, ?)", [(drug, start, end, days) for start, end in spans]
    )


def drug_eras(con: duckdb.DuckDBPyConnection, gap: int = 30) -> list[tuple[int, str, str, int, int]]:
    return con.execute(
        "SELECT drug_concept_id, CAST(drug_era_start_date AS VARCHAR), CAST(drug_era_end_date AS VARCHAR), "
        f"drug_exposure_count, gap_days FROM omopsql.drug_era('main', gap := {gap}) ORDER BY drug_era_id"
    ).fetchall()


@pytest.mark.parametrize(
    ("spans", "eras"),
    [
        ([("2020-01-01", "2020-01-01")], [("2020-01-01", "2020-01-01", 1)]),
        ([("2020-01-01", None)], [("2020-01-01", "2020-01-02", 1)]),
        ([("2020-01-05", "2020-01-01")], [("2020-01-05", "2020-01-05", 1)]),
        ([("2020-01-01", "2020-01-10"), ("2020-01-05", "2020-01-20")], [("2020-01-01", "2020-01-20", 2)]),
        ([("2020-01-01", "2020-01-10"), ("2020-02-09", "2020-02-09")], [("2020-01-01", "2020-02-09", 2)]),
        (
            [("2020-01-01", "2020-01-10"), ("2020-02-10", "2020-02-10")],
            [("2020-01-01", "2020-01-10", 1), ("2020-02-10", "2020-02-10", 1)],
        ),
        (  # the second ends within the first; the third is near the first's end, not the second's
            [("2020-01-01", "2020-12-31"), ("2020-02-01", "2020-02-02"), ("2021-01-30", "2021-02-01")],
            [("2020-01-01", "2021-02-01", 3)],
        ),
        ([("2020-01-01", None), ("2020-02-01", None)], [("2020-01-01", "2020-02-02", 2)]),
        (
            [("2020-01-01", None), ("2020-02-02", None)],
            [("2020-01-01", "2020-01-02", 1), ("2020-02-02", "2020-02-03", 1)],
        ),
    ],
    ids=[
        "one day", "no end", "end before start", "overlap", "30 days", "31 days", "nested", "open 30 days",
        "open 31 days",
    ],
)  # fmt: skip
def test_condition_eras(cdm, spans: Spans, eras: list[tuple[str, str, int]]):
    add_conditions(cdm, spans)
    assert condition_eras(cdm) == eras


def test_empty_tables_make_no_eras(cdm):
    assert condition_eras(cdm) == drug_eras(cdm) == []
    assert cdm.execute("FROM omopsql.observation_period('main')").fetchall() == []


def test_the_order_of_the_records_does_not_matter(cdm):
    add_conditions(cdm, [("2021-01-30", "2021-02-01"), ("2020-02-01", "2020-02-02"), ("2020-01-01", "2020-12-31")])
    assert condition_eras(cdm) == [("2020-01-01", "2021-02-01", 3)]


def test_the_gap_can_be_told(cdm):
    add_conditions(cdm, [("2020-01-01", "2020-01-01"), ("2020-01-02", "2020-01-02"), ("2020-01-04", "2020-01-04")])
    assert condition_eras(cdm, gap=1) == [("2020-01-01", "2020-01-02", 2), ("2020-01-04", "2020-01-04", 1)]
    assert len(condition_eras(cdm, gap=0)) == 3
    assert len(condition_eras(cdm, gap=365)) == 1


def test_persons_and_conditions_are_kept_apart_and_unknown_ones_left_out(cdm):
    for person, concept in [(1, 7), (2, 7), (1, 8), (1, 0)]:
        add_conditions(cdm, [("2020-01-01", "2020-01-01")], person, concept)
    rows = cdm.execute(
        "SELECT condition_era_id, person_id, condition_concept_id FROM omopsql.condition_era('main')"
    ).fetchall()
    assert sorted(rows) == [(1, 1, 7), (2, 1, 8), (3, 2, 7)]


@pytest.mark.parametrize(
    ("spans", "days", "eras"),
    [
        ([("2020-01-01", "2020-01-11")], None, [(1, "2020-01-01", "2020-01-11", 1, 0)]),
        ([("2020-01-01", None)], 28, [(1, "2020-01-01", "2020-01-29", 1, 0)]),
        ([("2020-01-01", None)], 0, [(1, "2020-01-01", "2020-01-02", 1, 0)]),
        ([("2020-01-01", "2020-01-11"), ("2020-01-21", "2020-01-31")], None, [(1, "2020-01-01", "2020-01-31", 2, 10)]),
        ([("2020-01-01", "2020-01-11"), ("2020-02-10", "2020-02-11")], None, [(1, "2020-01-01", "2020-02-11", 2, 30)]),
        (
            [("2020-01-01", "2020-01-11"), ("2020-02-11", "2020-02-12")],
            None,
            [(1, "2020-01-01", "2020-01-11", 1, 0), (1, "2020-02-11", "2020-02-12", 1, 0)],
        ),
        (  # overlapping and nested exposures are covered days once
            [("2020-01-01", "2020-01-31"), ("2020-01-05", "2020-01-10"), ("2020-01-20", "2020-02-10")],
            None,
            [(1, "2020-01-01", "2020-02-10", 3, 0)],
        ),
        (
            [("2020-01-01", "2020-01-31"), ("2020-01-05", "2020-01-10"), ("2020-02-05", "2020-02-10")],
            None,
            [(1, "2020-01-01", "2020-02-10", 3, 5)],
        ),
    ],
    ids=["one", "days of supply", "no end", "gap", "30 days", "31 days", "overlap", "nested and gap"],
)
def test_drug_eras(cdm, spans: Spans, days: int | None, eras: list[tuple[int, str, str, int, int]]):
    add_exposures(cdm, spans, days=days)
    assert drug_eras(cdm) == eras


@pytest.mark.parametrize(("drug", "ingredients"), [(10, [1]), (1, [1]), (11, [1, 2]), (12, [4]), (13, [6]), (14, [])])
def test_ingredients_come_from_ancestors_else_from_normalized_names(cdm, drug: int, ingredients: list[int]):
    add_exposures(cdm, [("2020-01-01", "2020-01-11")], drug)
    assert drug_eras(cdm) == [(ingredient, "2020-01-01", "2020-01-11", 1, 0) for ingredient in ingredients]


def test_dose_eras_join_exposures_of_one_daily_dose(cdm):
    cdm.execute(
        """
        CREATE TABLE drug_strength (
            drug_concept_id INTEGER, ingredient_concept_id INTEGER, amount_value DOUBLE, amount_unit_concept_id INTEGER,
            numerator_value DOUBLE, numerator_unit_concept_id INTEGER, denominator_value DOUBLE,
            denominator_unit_concept_id INTEGER, invalid_reason VARCHAR
        );
        INSERT INTO drug_strength VALUES
            (10, 1, 100, 8576, NULL, NULL, NULL, NULL, NULL),
            (10, 2, 999, 8576, NULL, NULL, NULL, NULL, 'D'),
            (13, 6, NULL, NULL, 2, 8576, NULL, 8505, NULL);
        """
    )
    add_exposures(cdm, [("2020-01-01", "2020-01-31"), ("2020-02-15", "2020-03-01")], 10, days=30)
    add_exposures(cdm, [("2020-03-02", "2020-03-10")], 10, days=15)
    add_exposures(cdm, [("2020-01-01", "2020-01-04")], 13)
    eras = cdm.execute(
        "SELECT drug_concept_id, unit_concept_id, dose_value, CAST(dose_era_start_date AS VARCHAR), "
        "CAST(dose_era_end_date AS VARCHAR) FROM omopsql.dose_era('main') ORDER BY dose_era_id"
    ).fetchall()
    assert eras == [
        (1, 8576, 100.0, "2020-01-01", "2020-03-01"),
        (1, 8576, 200.0, "2020-03-02", "2020-03-10"),
        (6, 8576, 48.0, "2020-01-01", "2020-01-04"),
    ]


def test_there_are_no_dose_eras_without_strengths(cdm):
    add_exposures(cdm, [("2020-01-01", "2020-01-31")])
    assert cdm.execute("FROM omopsql.dose_era('main')").fetchall() == []


def test_an_observation_period_spans_the_events_of_a_person(cdm):
    cdm.execute("INSERT INTO visit_occurrence VALUES (1, '2020-03-01', '2020-03-05'), (3, '2021-01-01', NULL)")
    add_conditions(cdm, [("2019-01-01", "2030-01-01")])  # an end is no event
    add_conditions(cdm, [("2020-05-05", None)], person=2, concept=0)
    cdm.execute("INSERT INTO death VALUES (1, '2020-06-01')")
    periods = cdm.execute(
        "SELECT observation_period_id, person_id, CAST(observation_period_start_date AS VARCHAR), "
        "CAST(observation_period_end_date AS VARCHAR) FROM omopsql.observation_period('main') ORDER BY ALL"
    ).fetchall()
    assert periods == [
        (1, 1, "2019-01-01", "2020-06-01"),
        (2, 2, "2020-05-05", "2020-05-05"),
        (3, 3, "2021-01-01", "2021-01-01"),
    ]


def test_a_negative_gap_is_refused(cdm):
    with pytest.raises(duckdb.Error, match="gap is -1; give 0 or more days"):
        condition_eras(cdm, gap=-1)


def test_eras_agree_with_those_of_ohdsi(con, data_folder: Callable[[str], Path]):
    """From OHDSI's own events; ancestors of some drugs are absent in the vocabulary, and read from their names."""
    theirs = data_folder("pair/tutorial_synthea") / "syntheaCDM"
    vocabulary = data_folder("vocabulary/athena_subset")
    folder = literal(str(theirs))
    differ = "SELECT count(*) FROM (({0} EXCEPT ALL {1}) UNION ALL ({1} EXCEPT ALL {0}))"
    con.execute(f"CREATE TABLE era AS FROM read_csv({folder} || '/condition_era.csv', dateformat = '%Y%m%d')")
    ours = f"(SELECT * EXCLUDE (condition_era_id) FROM omopsql.condition_era({folder}))"
    assert con.execute(differ.format(ours, "(SELECT * EXCLUDE (condition_era_id) FROM era)")).fetchall() == [(0,)]
    con.execute(f"CREATE OR REPLACE TABLE era AS FROM read_csv({folder} || '/drug_era.csv', dateformat = '%Y%m%d')")
    ours = f"FROM omopsql.drug_era({folder}, vocabulary := {literal(str(vocabulary))})"
    plain = "(SELECT person_id, drug_concept_id, drug_era_start_date, drug_era_end_date, gap_days {})"
    assert con.execute(differ.format(plain.format(ours), plain.format("FROM era"))).fetchall() == [(0,)]


def write(con: duckdb.DuckDBPyConnection, path: Path, sql: str = "SELECT 1 AS person_id") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"COPY ({sql}) TO {literal(str(path))}")


def test_a_folder_holds_tables_as_files_or_folders_in_any_case(con, tmp_path: Path):
    write(con, tmp_path / "PERSON.parquet")
    write(con, tmp_path / "Death.csv")
    write(con, tmp_path / "visit_occurrence" / "part1.parquet")
    write(con, tmp_path / "visit_occurrence" / "part2.parquet")
    write(con, tmp_path / "notes.parquet")
    found = open_cdm(con, str(tmp_path))
    assert sorted(found) == ["death", "person", "visit_occurrence"]
    assert con.execute(f"SELECT count(*) FROM {found['visit_occurrence']}").fetchall() == [(2,)]


@pytest.mark.parametrize("name", ["hospital", "HOSPITAL", '"Hospital"', "memory.hospital", "other", "other.main"])
def test_a_schema_is_found_by_its_name_and_its_database(con, name: str):
    con.execute("CREATE SCHEMA hospital; CREATE TABLE hospital.Person (person_id BIGINT)")
    con.execute("CREATE VIEW hospital.death AS SELECT 1 AS person_id; CREATE TABLE hospital.plan (i INTEGER)")
    con.execute("ATTACH ':memory:' AS other; CREATE TABLE other.person (i BIGINT); CREATE TABLE other.death (i BIGINT)")
    found = open_cdm(con, name)
    assert sorted(found) == ["death", "person"]
    assert all(con.execute(f"FROM {sql}") for sql in found.values())


def test_a_schema_comes_before_a_folder_of_its_name(con, tmp_path: Path):
    write(con, tmp_path / "cdm" / "person.parquet")
    with chdir(tmp_path):
        assert "read_parquet" in open_cdm(con, "cdm")["person"]
        con.execute("CREATE SCHEMA cdm; CREATE TABLE cdm.death (person_id BIGINT)")
        assert list(open_cdm(con, "cdm")) == ["death"]


def test_what_is_no_cdm_is_refused(con, tmp_path: Path):
    with pytest.raises(OmopsqlError, match="there is no schema or folder 'nowhere' with a CDM"):
        open_cdm(con, "nowhere")
    with pytest.raises(OmopsqlError, match="holds no table of the CDM"):
        open_cdm(con, str(tmp_path))
    write(con, tmp_path / "person.parquet")
    write(con, tmp_path / "person.csv")
    with pytest.raises(OmopsqlError, match=r"holds the table person twice: person\.csv and person\.parquet"):
        open_cdm(con, str(tmp_path))


def test_missing_tables_and_columns_are_named(con, tmp_path: Path):
    write(con, tmp_path / "death.parquet")
    with pytest.raises(OmopsqlError, match="cdm has no table person and no table concept; it has death"):
        need_tables(["death"], "cdm", ["person", "death", "concept"])
    with pytest.raises(duckdb.Error, match=r"has no table condition_occurrence; it has death"):
        con.execute(f"FROM omopsql.condition_era({literal(str(tmp_path))})")
    with pytest.raises(duckdb.Error, match=r"table death has no column death_date; it has person_id"):
        con.execute(f"FROM omopsql.observation_period({literal(str(tmp_path))})")
