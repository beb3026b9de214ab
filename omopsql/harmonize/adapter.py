"""An adapter: a folder of SQL files, each a SELECT over source tables, named after the CDM table that it fills."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.sql_files import sql_folder

from .cdm import tables

_READS = re.compile(
    r"^--\s*@reads\s+(?P<table>[\w.-]+)(?P<optional>\?)?(?P<others>(\s+or\s+(any other|[\w.-]+))*)"
    r"\s*(\((?P<columns>[^)]*)\))?\s*$"
)
ANY_OTHER = "any other"
CONCEPT_MAP = "source_to_concept_map.csv"


@dataclass(frozen=True)
class Reads:
    """A source table that a file reads: the columns that it must have, and those that it may have.

    ``others`` are names under which a source may hold the table instead; ``any other`` is the only table that no file
    of the adapter names.
    """

    table: str
    needed: tuple[str, ...]
    wanted: tuple[str, ...]
    is_optional: bool
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdapterFile:
    """One file of an adapter: a step (``cdm_table`` None) or rows for a CDM table."""

    name: str
    sql: str
    reads: tuple[Reads, ...]
    cdm_table: str | None

    @property
    def rows_of(self) -> str | None:
        """The source table whose rows the file accounts for: the first that it reads, unless that is a step."""
        return self.reads[0].table if self.reads and not self.reads[0].table.startswith("_") else None


@dataclass(frozen=True)
class Adapter:
    """The files of an adapter: steps first, then the CDM's tables; and its own concept map, if it has one."""

    name: str
    files: tuple[AdapterFile, ...]
    concept_map: str | None

    @property
    def steps(self) -> list[AdapterFile]:
        """The steps, in the order in which they run."""
        return [file for file in self.files if file.cdm_table is None]

    def of_table(self, cdm_table: str) -> list[AdapterFile]:
        """The files that give rows of a CDM table, or of its domain."""
        return [file for file in self.files if file.cdm_table == cdm_table]

    def reads(self) -> dict[str, list[Reads]]:
        """What all files together read, by table (in lower case); steps are left out."""
        found: dict[str, list[Reads]] = {}
        for file in self.files:
            for reads in file.reads:
                if not reads.table.startswith("_"):
                    found.setdefault(reads.table.lower(), []).append(reads)
        return found


def shipped_adapters() -> list[str]:
    """Names of the adapters that come with omopsql."""
    folders = (entry for entry in sql_folder("harmonize").iterdir() if entry.is_dir())
    return sorted(folder.name for folder in folders if folder.joinpath("person.sql").is_file())


def read_adapter(name: str, version: str) -> Adapter:
    """Read the adapter that ``name`` is: a folder, or one that comes with omopsql.

    Raises OmopsqlError when there is none, or when a file of it does not say what it must.
    """
    folder = adapter_folder(name)
    known = tables(version)
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            found.append(_read_file(entry, known))
    if not any(file.cdm_table for file in found):
        raise OmopsqlError(f"adapter {name}: the folder {folder} holds no <cdm_table>.sql")
    own = folder.joinpath(CONCEPT_MAP)
    return Adapter(name, tuple(found), str(own) if own.is_file() else None)


def adapter_folder(name: str) -> Traversable:
    """Find the folder of an adapter.

    A path is a folder; a plain name is an adapter that comes with omopsql, or else a folder that lies here. Raises
    OmopsqlError when there is none.
    """
    is_path = "/" in name or "\\" in name
    if not is_path and name in shipped_adapters():
        return sql_folder("harmonize", name)
    if Path(name).is_dir():
        return Path(name)
    if is_path:
        raise OmopsqlError(f"there is no folder {name} with an adapter's SQL files")
    raise OmopsqlError(
        f"there is no adapter {name!r}: give a folder of your own, or one of {', '.join(shipped_adapters())}"
    )


def _read_file(entry: Traversable, known: Collection[str]) -> AdapterFile:
    stem = entry.name.removesuffix(".sql")
    cdm_table = None if stem.startswith("_") else stem.split(".")[0].lower()
    if cdm_table is not None and cdm_table not in known:
        raise OmopsqlError(f"{entry}: {cdm_table} is no table of the CDM; name the file <cdm_table>.sql or _<step>.sql")
    text = entry.read_text(encoding="utf-8")
    reads = []
    for line in text.splitlines():
        if "@reads" in line and line.lstrip().startswith("--"):
            reads.append(_read_reads(entry, line.strip()))
    if not reads:
        raise OmopsqlError(f"{entry}: the header lacks a line -- @reads TABLE (COLUMN, ...)")
    return AdapterFile(stem, _one_select(entry, text), tuple(reads), cdm_table)


def _one_select(entry: Traversable, text: str) -> str:
    """The file's only statement, without what ends it."""
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise OmopsqlError(f"{entry}: {first_line(error)}") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise OmopsqlError(f"{entry} must hold one SELECT, and nothing else")
    return str(statements[0].query).strip().rstrip(";")


def _read_reads(entry: Traversable, line: str) -> Reads:
    match = _READS.match(line)
    if match is None:
        raise OmopsqlError(f"{entry}: {line!r} is not of the form -- @reads TABLE (COLUMN, COLUMN?, ...)")
    columns = [column.strip() for column in (match["columns"] or "").split(",") if column.strip()]
    return Reads(
        match["table"],
        tuple(column for column in columns if not column.endswith("?")),
        tuple(column.rstrip("?") for column in columns if column.endswith("?")),
        match["optional"] is not None,
        tuple(other.lower() for other in re.split(r"\s+or\s+", match["others"])[1:]),
    )
