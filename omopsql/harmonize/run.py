"""The whole way: a source and a vocabulary in, a CDM as Parquet out, complete or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier, literal

from .accounting import UNKNOWN_CODE, UNREAD, Accounting
from .adapter import read_adapter
from .derive import derived_sql
from .export import export
from .filling import Filling
from .outcomes import NOTE, SET_ASIDE
from .reading import create_source_views
from .source import open_source
from .vocabulary import open_vocabulary
from .vocabulary_tables import create_vocabulary
from .workspace import BUILD, CDM, Workspace

_MEMORY = "3GB"
_VERSION_5_4 = 756265  # concept: OMOP CDM Version 5.4.0
DERIVED = ("observation_period", "condition_era", "drug_era", "dose_era", "cdm_source")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Harmonized:
    """What a run made: the folder, rows by CDM table, and the report (a table of ``outcomes.SCHEMA``)."""

    folder: Path
    rows: dict[str, int]
    report: pa.Table


def harmonize(
    adapter: str,
    source: str,
    vocabulary: str,
    output: str | Path,
    version: str = "5.4",
    strict: bool = False,
    progress: Progress = lambda doing: None,
    con: duckdb.DuckDBPyConnection | None = None,
) -> Harmonized:
    """Write the CDM that ``adapter`` makes of ``source`` to the folder ``output``, and what became of every row.

    Raises OmopsqlError for a bad adapter, source or vocabulary; with ``strict`` also when a row is set aside or a
    vocabulary does not know a code. The folder is then as it was. ``con``, an empty database in memory with every
    function, lets the caller interrupt the run.
    """
    read = read_adapter(adapter, version)
    with nullcontext(con) if con is not None else closing(omopsql.connect()) as database:
        work = Workspace(_prepared(database))
        progress(f"Reading {vocabulary}")
        create_vocabulary(work.con, open_vocabulary(work.con, vocabulary), BUILD, CDM, read.concept_map)
        progress(f"Reading {source}")
        opened = open_source(work.con, source)
        accounting = Accounting(work, opened, version, create_source_views(work, read, opened))
        filling = Filling(work, read, version, accounting)
        filling.create_tables()
        filling.fill(opened, progress)
        accounting.drop_unknown_references()
        _derive(work, version, {file.cdm_table for file in filling.files}, progress)
        progress("Accounting for every row")
        report = accounting.report(filling.files)
        if strict:
            _refuse(report)
        evidence = {"report": report, "codes": f"FROM {BUILD}.code_counts ORDER BY ALL"}
        progress(f"Writing {output}")
        return Harmonized(*export(work.con, Path(output), version, filling.files, evidence), report)


def _prepared(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    con.execute(f"SET memory_limit = '{_MEMORY}'")
    con.execute(f"CREATE SCHEMA {BUILD}")
    con.execute(f"CREATE SCHEMA {CDM}")
    return con


def _derive(work: Workspace, version: str, given: set[str | None], progress: Progress) -> None:
    """Make the tables that the CDM derives from others, unless a file of the adapter gave them."""
    work.con.execute(f"USE {identifier('memory', CDM)}")
    for name in DERIVED:
        if name not in given:
            progress(f"Deriving {name}")
            work.con.execute(f"INSERT INTO {identifier(CDM, name)} BY NAME {derived_sql(name)}")
    work.con.execute(
        f"UPDATE {CDM}.cdm_source SET cdm_version = coalesce(cdm_version, {literal(version)})"
        + (f", cdm_version_concept_id = {_VERSION_5_4}" if version == "5.4" else "")
    )


def _refuse(report: pa.Table) -> None:
    for table_name, outcome, reason, rows, example in zip(*(c.to_pylist() for c in report.columns), strict=True):
        is_lost = outcome == SET_ASIDE and not reason.startswith(UNREAD)
        if is_lost or (outcome == NOTE and reason.startswith(UNKNOWN_CODE)):
            told = f" ({example})" if example else ""
            raise OmopsqlError(f"{table_name}: {rows} rows: {reason}{told}; mend them, or run without --strict")
