"""A CDM to read from: a folder of Parquet or CSV files, or a schema of the database."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.relation import Relation, describe, listed, name_parts, resolve_file

from .cdm import VERSIONS, tables

_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
_KNOWN = frozenset(name for version in VERSIONS for name in tables(version))


def open_cdm(cursor: duckdb.DuckDBPyConnection, cdm: str) -> dict[str, str]:
    """Find the tables of a CDM. Returns for each, by its name in lower case, the SQL that stands after FROM.

    Takes ``cdm`` and raises OmopsqlError as ``cdm_relations`` does.
    """
    return {name: relation.sql for name, relation in cdm_relations(cursor, cdm).items()}


def cdm_relations(cursor: duckdb.DuckDBPyConnection, cdm: str) -> dict[str, Relation]:
    """Find the tables of a CDM, with their columns, by their names in lower case.

    ``cdm`` is a schema (``cdm``, ``hospital.cdm``), else a folder that holds ``<table>.parquet``, ``<table>.csv`` or
    a folder ``<table>/`` of Parquet files. Names are matched without regard to case; other files are left alone.
    Raises OmopsqlError when there is no such schema or folder, when it holds no table of the CDM or one of them twice,
    and when a file cannot be read.
    """
    found = _in_schema(cursor, cdm)
    if found:
        return {name: describe(cursor, f"{cdm}.{name}", sql) for name, sql in found.items()}
    if not Path(cdm).is_dir():
        raise OmopsqlError(
            f"there is no schema or folder {cdm!r} with a CDM: give a folder that holds person.parquet or person.csv, "
            "or a schema such as cdm or hospital.cdm"
        )
    files = _in_folder(Path(cdm))
    if not files:
        raise OmopsqlError(f"{cdm} holds no table of the CDM: there is no person.parquet, person.csv or person/ in it")
    return {name: resolve_file(cursor, path) for name, path in files.items()}


def is_schema(cursor: duckdb.DuckDBPyConnection, cdm: str) -> bool:
    """Whether ``cdm`` names a schema with tables of the CDM, which comes before a folder of that name."""
    return bool(_in_schema(cursor, cdm))


def need_tables(relations: Iterable[str], cdm: str, needed: Iterable[str]) -> None:
    """Raise OmopsqlError that lists the tables which ``cdm`` lacks and those it has."""
    present = set(relations)
    missing = [name for name in needed if name not in present]
    if missing:
        has = ", ".join(sorted(present))
        raise OmopsqlError(f"{cdm} has no table {' and no table '.join(missing)}; it has {has}")


def _in_schema(cursor: duckdb.DuckDBPyConnection, cdm: str) -> dict[str, str]:
    """The CDM's tables and views in a schema: ``schema``, ``database.schema``, or the schema ``main`` of a database."""
    parts = name_parts(cdm)
    if parts is None or len(parts) > 2:
        return {}
    *database, schema = [part.lower() for part in parts]
    named: dict[tuple[str, str], dict[str, str]] = {}
    for found in listed(cursor):
        owner, within, table = found.database.lower(), found.schema.lower(), found.name.lower()
        is_schema = within == schema and (not database or [owner] == database)
        is_database = not database and owner == schema and within == "main"
        if (is_schema or is_database) and table in _KNOWN:
            named.setdefault((owner, within), {})[table] = found.sql
    return next(iter(named.values()), {})


def _in_folder(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        name = _table_of(entry)
        if name is None:
            continue
        if name in found:
            raise OmopsqlError(f"{folder} holds the table {name} twice: {found[name].name} and {entry.name}; keep one")
        found[name] = entry
    return found


def _table_of(entry: Path) -> str | None:
    """The CDM table that a file, or a folder of Parquet files, holds."""
    name = entry.name.lower()
    if entry.is_dir():
        return name if name in _KNOWN and any(entry.rglob("*.parquet")) else None
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), None)
    stem = name.removesuffix(suffix) if suffix else None
    return stem if stem in _KNOWN else None
