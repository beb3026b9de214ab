"""CDM folders: opened with plain table names, split into halves of persons, made from a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

import omopsql
from omopsql.harmonize.cdm import VOCABULARY_TABLES, storage_type, tables
from omopsql.harmonize.cdm_source import open_cdm
from omopsql.quoting import identifier, literal
from omopsql.synth.hospital.fit import RULES

FIT, JUDGED = "fit", "judged"
_OWNERS = {"note_nlp": ("note_id", "note"), "episode_event": ("episode_id", "episode")}
_SHARED = (*VOCABULARY_TABLES, "cdm_source", "location", "care_site", "provider")
_FILLED = (
    "person",
    "observation_period",
    "death",
    "visit_occurrence",
    "visit_detail",
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "measurement",
    "observation",
)


@contextmanager
def opened(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees the folder's tables by their plain names; tables that it lacks are there and empty."""
    with duckdb.connect() as con:
        con.execute("SET enable_progress_bar = false")
        present = open_cdm(con, str(folder))
        for name, fields in tables("5.4").items():
            columns = ", ".join(f"CAST(NULL AS {storage_type(f)}) AS {identifier(f.name)}" for f in fields.values())
            rows = f"FROM {present[name]}" if name in present else f"SELECT {columns} WHERE false"
            con.execute(f"CREATE VIEW {identifier(name)} AS {rows}")
        yield con


def query(name: str) -> str:
    """The SQL of a file beside this one."""
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")


def split(cdm: Path, target: Path, seed: int) -> tuple[Path, Path]:
    """Write two CDM folders: the persons of each half by a hash of person_id and the seed. Returns fit and judged half.

    Tables of the vocabulary, and of places and providers, are linked. Tables whose rows belong to no person, and those
    that name persons in other ways (cost, fact_relationship), are left out.
    """
    with opened(cdm) as con:
        present = open_cdm(con, str(cdm))
        for half in (FIT, JUDGED):
            folder = target / half
            folder.mkdir(parents=True, exist_ok=True)
            for name, sql in present.items():
                rows = _rows_of_half(con, name, seed, half)
                if name in _SHARED:
                    _link(cdm, name, folder)
                elif rows and con.execute(f"SELECT count(*) FROM {sql}").fetchall()[0][0]:
                    con.execute(f"COPY ({rows}) TO {literal(str(folder / f'{name}.parquet'))}")
    return target / FIT, target / JUDGED


def _rows_of_half(con: duckdb.DuckDBPyConnection, name: str, seed: int, half: str) -> str | None:
    columns = {row[0].lower() for row in con.execute(f"DESCRIBE {identifier(name)}").fetchall()}
    is_fit = f"md5(concat({seed}, ' ', person_id)) < '8'"  # the first of its hexadecimal digits: 0 to 7 or 8 to f
    chosen = is_fit if half == FIT else f"NOT {is_fit}"
    if "person_id" in columns:
        return f"FROM {identifier(name)} WHERE {chosen} ORDER BY person_id"
    if name in _OWNERS:
        key, owner = _OWNERS[name]
        return f"FROM {identifier(name)} WHERE {key} IN (SELECT {key} FROM {identifier(owner)} WHERE {chosen})"
    return None


def _link(cdm: Path, name: str, folder: Path) -> None:
    for file in cdm.iterdir():
        link = folder / file.name
        if file.name.split(".")[0].lower() == name and not link.exists():
            link.symlink_to(file.resolve())


def persons(cdm: Path) -> int:
    """Number of persons."""
    with opened(cdm) as con:
        return int(con.execute("SELECT count(*) FROM person").fetchall()[0][0])


def synthesize(fit_half: Path, target: Path, persons: int, seed: int) -> Path:
    """Fit one half with default options and write a synthetic CDM of so many persons. Returns the model's file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    model = target.with_suffix(".model.parquet")
    with omopsql.connect() as con:
        con.execute("SET enable_progress_bar = false")
        con.execute(f"COPY (FROM omopsql.cdm_fit({literal(str(fit_half))})) TO {literal(str(model))}")
    make(model, target, persons, seed)
    return model


def make(model: Path, target: Path, persons: int, seed: int) -> None:
    """Write a synthetic CDM of so many persons."""
    target.mkdir(parents=True, exist_ok=True)
    with omopsql.connect() as con:
        con.execute("SET enable_progress_bar = false")
        listed = con.execute(f"SELECT cdm_table FROM omopsql.cdm_tables({literal(str(model))})").fetchall()
        for name in [name for name in _FILLED if (name,) in listed]:
            made = f"omopsql.cdm_sample({literal(str(model))}, {literal(name)}, persons := {persons}, seed := {seed})"
            con.execute(f"COPY (FROM {made}) TO {literal(str(target / f'{name}.parquet'))}")


def small_cells(model: Path, min_cell: int) -> int:
    """How many numbers of persons in a model are below ``min_cell``, and how many sums have fewer persons behind them.

    Facts, whose rows count nobody, are left out.
    """
    rules = [(statistic, rule.kind, rule.persons) for statistic, rule in RULES.items()]
    with duckdb.connect() as con:
        con.execute("CREATE TABLE rule (statistic VARCHAR, kind VARCHAR, persons VARCHAR)")
        con.executemany("INSERT INTO rule VALUES (?, ?, ?)", rules)
        con.execute(f"CREATE VIEW model AS FROM read_parquet({literal(str(model))})")
        return int(con.execute(query("small_cells"), [min_cell]).fetchall()[0][0])
