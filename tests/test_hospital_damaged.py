"""Tables of a hospital as they may come: without columns, with gaps, far dates, impossible numbers, rows twice."""

from __future__ import annotations

import warnings
from pathlib import Path
from random import Random

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import omopsql
from omopsql.quoting import identifier, literal
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.fit import fit
from omopsql.synth.hospital.generate import Hospital

PERSONS, MADE = 60, 40
OWNER = "person_id"
# What a column of some type may come to; {} is the column.
ANY_TYPE = ("NULL", "CASE WHEN row_number() OVER () % 5 = 0 THEN NULL ELSE {} END")
NUMBERS = (
    "CASE row_number() OVER () % 3 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN '-inf'::DOUBLE ELSE {} END",
    "CASE WHEN row_number() OVER () % 4 = 0 THEN 1e300 ELSE {} END",
)
CONCEPTS = ("CASE WHEN row_number() OVER () % 4 = 0 THEN 0 ELSE {} END", "{} + 5000000000000")
DATES = (
    "{} + INTERVAL 400000 DAY",
    "{} - INTERVAL 60000 DAY",
    "CASE WHEN row_number() OVER () % 7 = 0 THEN {} - INTERVAL 5000 DAY ELSE {} END",
)


@pytest.fixture(scope="module")
def some(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty persons of the demonstration."""
    folder = tmp_path_factory.mktemp("some")
    with duckdb.connect() as con:
        person = literal(str(demo_folder / "cdm" / "person.parquet"))
        con.execute(f"CREATE TABLE chosen AS SELECT person_id FROM {person} ORDER BY person_id LIMIT {PERSONS}")
        for file in (demo_folder / "cdm").glob("*.parquet"):
            kept = "SEMI JOIN chosen USING (person_id)" if OWNER in pq.read_schema(file).names else ""
            con.execute(f"COPY (FROM {literal(str(file))} {kept}) TO {literal(str(folder / file.name))}")
    return folder


def written(source: Path, target: Path, table: str, told: dict[str, str | None], more: str = "") -> None:
    """Write a table with other expressions for some of its columns; None leaves a column out."""
    file = source / f"{table}.parquet"
    names = [name for name in pq.read_schema(file).names if told.get(name, name) is not None]
    columns = ", ".join(
        f"{(told.get(name) or '{}').replace('{}', identifier(name))} AS {identifier(name)}" for name in names
    )
    rows = f"SELECT {columns} FROM {literal(str(file))}"
    duckdb.sql(f"COPY ({rows} {more.format(rows)}) TO {literal(str(target / file.name))}")


def damaged(source: Path, target: Path, seed: int) -> list[str]:
    """Write a CDM in which some of everything is wrong. Returns what."""
    chance, said = Random(seed), []
    for file in sorted(source.glob("*.parquet")):
        table, told = file.stem, {}
        if table != "person" and chance.random() < 0.08:
            said.append(f"no {table}")
            continue
        for field in pq.read_schema(file):
            if field.name == OWNER or chance.random() > 0.1:
                continue
            ways = list(ANY_TYPE) if field.name != f"{table}_id" else []
            ways += CONCEPTS if field.name.endswith("concept_id") else ()
            ways += DATES if pa.types.is_temporal(field.type) else ()
            ways += NUMBERS if pa.types.is_floating(field.type) else ()
            told[field.name] = chance.choice([None, *ways])
            said.append(f"{table}.{field.name}: {told[field.name]}")
        twice = chance.random() < 0.05
        said += [f"{table} twice"] if twice else []
        written(source, target, table, told, "UNION ALL ({})" if twice else "")
    return said


def made(cdm: Path) -> dict[str, pa.Table]:
    """Every table of forty synthetic persons."""
    with omopsql.connect() as con:
        hospital = Hospital(fit(con, str(cdm))[0])
    lives = hospital.lives(1, np.arange(1, MADE + 1))
    return {name: tables.render(name, lives, hospital) for name in tables.made(hospital)}


@pytest.mark.parametrize("seed", range(6))
def test_what_is_damaged_can_be_learned(some: Path, tmp_path: Path, seed: int) -> None:
    """No damage ends in an error of Python or Arrow, or a warning of NumPy."""
    said = damaged(some, tmp_path, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = made(tmp_path)
    assert found["person"].num_rows == MADE, said
    with duckdb.connect() as con:
        for name, rows in found.items():
            con.register(name, rows)
        for name in sorted(found.keys() - {"person"}):
            if OWNER in found[name].column_names:
                strangers = con.sql(f"SELECT count(*) FROM {identifier(name)} ANTI JOIN person USING (person_id)")
                assert strangers.fetchall() == [(0,)], (name, said)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("drug_exposure", {"drug_exposure_start_datetime": "drug_exposure_start_date + INTERVAL 400000 DAY"}),
        ("visit_occurrence", {"visit_occurrence_id": "NULL"}),
        ("measurement", {"value_as_number": "1e300 * row_number() OVER ()"}),
    ],
)
def test_one_column_is_damaged(some: Path, tmp_path: Path, table: str, told: dict[str, str | None]) -> None:
    """Years that microseconds hardly hold, visits that no key tells, numbers that no integer holds."""
    for file in some.glob("*.parquet"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / f"{table}.parquet").unlink()
    written(some, tmp_path, table, told)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert made(tmp_path)["person"].num_rows == MADE
