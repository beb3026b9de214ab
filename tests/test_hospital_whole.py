"""A whole synthetic hospital of the demonstration: sound, private, and the same however it is made."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import tables as cdm_tables
from omopsql.quoting import identifier, literal
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.fit import RULES, fit
from omopsql.synth.hospital.generate import Hospital

PERSONS, SEED = 300, 7
LEAST_SHARED = 10  # persons of a released cell
SMALL = {"cdm_source", "care_site", "provider", "location"}
FREE_TEXT = {"note_text", "note_title", "sig", "lot_number", "value_source_value", "person_source_value"}


@pytest.fixture(scope="module")
def source(demo_folder: Path) -> Path:
    return demo_folder / "cdm"


@pytest.fixture(scope="module")
def vocabulary(demo_folder: Path) -> Path:
    return demo_folder / "vocabulary"


@pytest.fixture(scope="module")
def hospital(source: Path, vocabulary: Path) -> Hospital:
    """The demonstration's CDM, learned once."""
    with omopsql.connect() as con:
        return Hospital(fit(con, str(source), vocabulary=str(vocabulary))[0])


@pytest.fixture(scope="module")
def made(hospital: Hospital) -> dict[str, pa.Table]:
    """Every table of 300 persons."""
    return _made(hospital, np.arange(1, PERSONS + 1))


@pytest.fixture(scope="module")
def con(made: dict[str, pa.Table]) -> duckdb.DuckDBPyConnection:
    """A database with the synthetic tables."""
    found = duckdb.connect()
    for name, rows in made.items():
        found.register(name, rows)
    return found


def _made(hospital: Hospital, numbers: np.ndarray) -> dict[str, pa.Table]:
    lives = hospital.lives(SEED, numbers)
    return {name: tables.render(name, lives, hospital) for name in tables.made(hospital)}


def test_no_check_fails_that_the_source_passes(
    made: dict[str, pa.Table], source: Path, vocabulary: Path, tmp_path: Path
) -> None:
    """Of OHDSI's data quality checks. Eras are none of the tables that a model makes by itself."""
    for name, rows in made.items():
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    with omopsql.connect() as con:
        worse = con.execute(
            f"""
            SELECT made.checkName, made.cdmTableName, made.cdmFieldName, made.conceptId, made.pctViolatedRows
            FROM omopsql.check_cdm({literal(str(tmp_path))}, vocabulary := {literal(str(vocabulary))}) AS made
            JOIN omopsql.check_cdm({literal(str(source))}, vocabulary := {literal(str(vocabulary))}) AS real
                USING (checkId)
            WHERE made.failed = 1 AND real.failed = 0
            """
        ).fetchall()
    missing = [check for check in worse if check[0] == "cdmTable"]
    assert {name.lower() for _, name, *_ in missing} <= set(cdm_tables("5.4")) - set(made)
    assert [check for check in worse if check not in missing] == []


def test_no_key_is_orphaned(con: duckdb.DuckDBPyConnection, made: dict[str, pa.Table]) -> None:
    """Every key that a row refers to is there, and a visit is one of the same person."""
    referred = 0
    for name, rows in made.items():
        for target in ("person", "visit_occurrence", "visit_detail", "care_site", "provider", "location"):
            key = f"{target}_id"
            if key not in rows.column_names or target not in made or target == name:
                continue
            same = "AND t.person_id = r.person_id" if target.startswith("visit") else ""
            sql = f"""
                SELECT count({key}), count({key}) FILTER (NOT EXISTS (
                    FROM {target} AS t WHERE t.{key} = r.{key} {same}))
                FROM {identifier(name)} AS r
            """
            ((told, orphans),) = con.execute(sql).fetchall()
            assert orphans == 0, (name, key)
            referred += told
    assert referred > PERSONS


def test_every_event_lies_inside_observation(con: duckdb.DuckDBPyConnection, made: dict[str, pa.Table]) -> None:
    """No date of a record lies outside the person's observation or after death, and none ends before it starts."""
    seen = 0
    for name, rows in made.items():
        if "person_id" not in rows.column_names or name in ("person", "observation_period"):
            continue
        dated = [column.name for column in rows.schema if column.type == pa.date32()]
        for column in dated:
            sql = f"""
                SELECT count(*), count(*) FILTER (
                    record.{column} NOT BETWEEN observation_period_start_date AND observation_period_end_date
                    OR record.{column} > death.death_date)
                FROM {identifier(name)} AS record
                JOIN observation_period USING (person_id) LEFT JOIN death USING (person_id)
                WHERE record.{column} IS NOT NULL
            """
            ((told, outside),) = con.execute(sql).fetchall()
            assert outside == 0, (name, column)
            seen += told
        starts = [column for column in dated if column.endswith("start_date")]
        if starts and starts[0].replace("start", "end") in dated:
            ends = starts[0].replace("start", "end")
            assert con.execute(f"SELECT count(*) FROM {name} WHERE {ends} < {starts[0]}").fetchall() == [(0,)]
    assert seen > 10 * PERSONS


def test_a_unit_is_one_of_its_concept(con: duckdb.DuckDBPyConnection, source: Path) -> None:
    """A measurement with a value has the unit and the source's code of some measurement of the source."""
    seen = literal(str(source / "measurement.parquet"))
    told_with = """
        SELECT DISTINCT measurement_concept_id, coalesce(unit_concept_id, 0), measurement_source_value
        FROM {} WHERE value_as_number IS NOT NULL
    """
    told = con.execute(told_with.format("measurement")).fetchall()
    assert told
    assert set(told) <= set(con.execute(told_with.format(seen)).fetchall())


def test_a_person_is_the_same_among_few_and_many(hospital: Hospital, made: dict[str, pa.Table]) -> None:
    """The first persons of many, and a few from their midst, are as they are when made alone."""
    for numbers in (np.arange(1, 41), np.array([17, 130, 131, 299])):
        few = _made(hospital, numbers)
        for name, rows in made.items():
            owner = tables.persons(name, rows, hospital)
            wanted = rows if name in SMALL else rows.filter(pa.array(np.isin(owner, numbers)))
            assert few[name].combine_chunks().equals(wanted.combine_chunks()), name


@pytest.mark.parametrize("batch", [1, 64, 299])
def test_batches_change_nothing(hospital: Hospital, made: dict[str, pa.Table], batch: int) -> None:
    """However many persons are made at a time, the tables are the same."""
    last = 40 if batch == 1 else PERSONS
    numbers = np.arange(1, last + 1)
    parts = [_made(hospital, numbers[start : start + batch]) for start in range(0, last, batch)]
    for name, rows in made.items():
        if name in SMALL:
            continue
        joined = pa.concat_tables([part[name] for part in parts]).combine_chunks()
        wanted = rows.filter(pa.array(tables.persons(name, rows, hospital) <= last)).combine_chunks()
        assert joined.equals(wanted), name


def test_no_identifier_and_no_text_of_the_source_is_left(
    con: duckdb.DuckDBPyConnection, made: dict[str, pa.Table], source: Path
) -> None:
    """Keys count from 1, free text is empty, and a text that stands somewhere is one of enough persons."""
    assert sorted(made["person"]["person_id"].to_pylist()) == list(range(1, PERSONS + 1))
    for name, rows in made.items():
        for text in FREE_TEXT & set(rows.column_names):
            assert set(rows[text].to_pylist()) <= {None, ""}, (name, text)
        if "person_id" not in rows.column_names or name == "person" or not (source / f"{name}.parquet").exists():
            continue
        real = literal(str(source / f"{name}.parquet"))
        for text in [column.name for column in rows.schema if column.type == pa.string()]:
            rare = f"""
                SELECT DISTINCT {text} FROM {identifier(name)} WHERE {text} <> '' AND {text} NOT IN (
                    SELECT {text} FROM {real} WHERE {text} IS NOT NULL
                    GROUP BY {text} HAVING count(DISTINCT person_id) >= {LEAST_SHARED})
            """
            assert con.execute(rare).fetchall() == [], (name, text)


@pytest.fixture(scope="module")
def few_persons(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The CDM of one and of thirty persons of the demonstration."""
    folders = {}
    with duckdb.connect() as con:
        first = "SELECT person_id FROM {} ORDER BY person_id LIMIT {}"
        for persons in (1, 30):
            folders[persons] = tmp_path_factory.mktemp(f"of_{persons}")
            chosen = first.format(literal(str(source / "person.parquet")), persons)
            for file in source.glob("*.parquet"):
                kept = f"WHERE person_id IN ({chosen})" if "person_id" in pq.read_schema(file).names else ""
                target = literal(str(folders[persons] / file.name))
                con.execute(f"COPY (FROM {literal(str(file))} {kept}) TO {target} (FORMAT parquet)")
    return folders


def test_thirty_persons_are_enough(few_persons: dict[int, Path], vocabulary: Path) -> None:
    """Thirty persons make a hospital with events, and cells of ten persons or more."""
    with omopsql.connect() as con:
        model, _ = fit(con, str(few_persons[30]), min_cell=10, vocabulary=str(vocabulary))
    made = _made(Hospital(model), np.arange(1, 101))
    assert made["person"].num_rows == 100
    assert sum(rows.num_rows for name, rows in made.items() if name not in SMALL) > 500
    counted = zip(model["statistic"].to_pylist(), model["n"].to_pylist(), strict=True)
    assert min(n for statistic, n in counted if RULES[statistic].counts_persons) >= LEAST_SHARED


def test_one_person_is_refused(few_persons: dict[int, Path]) -> None:
    """A model of one person would be that person."""
    with omopsql.connect() as con, pytest.raises(OmopsqlError, match="1 person"):
        fit(con, str(few_persons[1]), min_cell=1)
