"""What a hospital hands over: a folder of files, a DuckDB file or a PostgreSQL database, as tables of one schema.

Tables are made only when an adapter reads them. Each gets a column ``source_row``, the number of the row from 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier, literal
from omopsql.relation import Listed, listed

from .csv_source import CSV_SUFFIXES, Rejected, count_csv_rows, create_csv_table
from .fhir import create_fhir_tables, is_fhir
from .paths import compression, path_list
from .postgresql import open_postgresql

SCHEMA = "source"  # what adapters read
STAGE = "stage"  # where files are loaded
_PARQUET = (".parquet",)
_JSON = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz", ".json", ".json.gz")
_SUFFIXES = (*_PARQUET, *CSV_SUFFIXES, *_JSON)


@dataclass
class Source:
    """The tables of a source by name in lower case, and how to make each.

    ``counters`` count the rows of a file without loading it. ``rejected`` tells of a table how many lines could not be
    read, and one of them.
    """

    name: str
    makers: dict[str, Callable[[], None]]
    spelled: dict[str, str]
    counters: dict[str, Callable[[], int]] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)

    def make(self, table: str) -> str:
        """Make a table in the stage if it is not there yet; return its name. The caller knows that it exists."""
        lowered = table.lower()
        if lowered not in self.made:
            self.makers[lowered]()
            self.made.add(lowered)
        return self.spelled[lowered]

    def rename(self, table: str, name: str) -> None:
        """Let a table be known by another name. Reports still spell it as the source does."""
        self.makers[name] = self.makers.pop(table)
        self.spelled[name] = self.spelled.pop(table)
        if table in self.counters:
            self.counters[name] = self.counters.pop(table)

    def count(self, con: duckdb.DuckDBPyConnection, table: str) -> int:
        """How many rows a table has, without loading it where that can be told from its file."""
        if table not in self.made and table in self.counters:
            return self.counters[table]()
        relation = identifier(STAGE, self.make(table))
        return int(con.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def open_source(con: duckdb.DuckDBPyConnection, source: str) -> Source:
    """Find the tables of a source. Files are loaded into the schema ``stage`` of ``con`` when they are asked for.

    Raises OmopsqlError when there is no such source, or nothing in it can be read.
    """
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {STAGE}")
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    if re.match(r"^postgres(ql)?://", source):
        found = _of_makers(source, open_postgresql(con, source, STAGE))
    elif Path(source).is_dir():
        found = _folder(con, source)
    elif Path(source).is_file() and Path(source).suffix in (".duckdb", ".db", ".ddb"):
        found = _database(con, source)
    elif Path(source).is_file():
        found = _files(con, source, [Path(source)])
    else:
        raise OmopsqlError(f"there is no folder, DuckDB file or database {source}")
    if not found.makers:
        raise OmopsqlError(f"{source} holds no {', '.join(sorted({s.split('.')[1] for s in _SUFFIXES}))} file")
    return found


def _of_makers(name: str, makers: dict[str, Callable[[], None]]) -> Source:
    return Source(name, {t.lower(): maker for t, maker in makers.items()}, {t.lower(): t for t in makers})


def _folder(con: duckdb.DuckDBPyConnection, source: str) -> Source:
    found = sorted(path for path in Path(source).rglob("*") if path.is_file())
    seen = [path for path in found if not any(part.startswith(".") for part in path.relative_to(source).parts)]
    return _files(con, source, [path for path in seen if path.name.lower().endswith(_SUFFIXES)])


def _files(con: duckdb.DuckDBPyConnection, name: str, paths: list[Path]) -> Source:
    """Group files by name up to the first dot; FHIR files make tables by the type of their resources."""
    source = Source(name, {}, {})
    json_files = [path for path in paths if path.name.lower().endswith(_JSON)]
    fhir_files = [path for path in json_files if is_fhir(path)]
    for table in create_fhir_tables(con, STAGE, fhir_files) if fhir_files else []:
        source.makers[table.lower()] = lambda: None
        source.spelled[table.lower()] = table
    by_table: dict[str, list[Path]] = {}
    for path in paths:
        if path not in fhir_files:
            by_table.setdefault(path.name.split(".")[0].lower(), []).append(path)
    for table, of_table in by_table.items():
        source.makers[table] = _file_maker(con, source, table, of_table)
        if all(_kind(path) == "csv" for path in of_table):
            source.counters[table] = _csv_counter(con, source, table, of_table)
        source.spelled[table] = table
    return source


def _file_maker(con: duckdb.DuckDBPyConnection, source: Source, table: str, paths: list[Path]) -> Callable[[], None]:
    target = identifier(STAGE, table)

    def make() -> None:
        kinds = {_kind(path) for path in paths}
        if len(kinds) > 1:
            raise OmopsqlError(
                f"{source.name}: table {table} stands in files of several kinds; keep one: {paths[0]} ..."
            )
        with _naming(paths[0]):
            if kinds == {"csv"}:
                source.rejected[table] = create_csv_table(con, target, paths)
            else:
                _create_typed(con, target, paths, kinds.pop())

    return make


def _csv_counter(con: duckdb.DuckDBPyConnection, source: Source, table: str, paths: list[Path]) -> Callable[[], int]:
    def count() -> int:
        with _naming(paths[0]):
            rows, source.rejected[table] = count_csv_rows(con, paths)
        return rows

    return count


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let DuckDB's error name the file."""
    try:
        yield
    except duckdb.Error as error:
        raise OmopsqlError(f"{path} cannot be read: {first_line(error)}") from error


def _kind(path: Path) -> str:
    lowered = path.name.lower()
    return "parquet" if lowered.endswith(_PARQUET) else "json" if lowered.endswith(_JSON) else "csv"


def _create_typed(con: duckdb.DuckDBPyConnection, target: str, paths: list[Path], kind: str) -> None:
    """Parquet is read in place; JSON records are loaded, nested values as JSON."""
    files = path_list(paths)
    if kind == "parquet" and len(paths) == 1:
        read = f"read_parquet({files}, file_row_number = true)"
        con.execute(
            f"CREATE VIEW {target} AS SELECT file_row_number + 1 AS source_row, * EXCLUDE (file_row_number) FROM {read}"
        )
        return
    read = (
        f"read_parquet({files}, union_by_name = true)"
        if kind == "parquet"
        else f"read_json({files}, maximum_depth = 2{compression(paths)})"
    )
    con.execute(f"CREATE TABLE {target} AS SELECT row_number() OVER () AS source_row, * FROM {read}")


def _database(con: duckdb.DuckDBPyConnection, source: str) -> Source:
    try:
        con.execute(f"ATTACH {literal(source)} AS source_database (READ_ONLY)")
    except duckdb.Error as error:
        raise OmopsqlError(f"{source} cannot be opened: {first_line(error)}") from error

    def maker(found: Listed) -> Callable[[], None]:
        number = "rowid + 1" if found.is_table else "row_number() OVER ()"
        view = f"CREATE VIEW {identifier(STAGE, found.name)} AS SELECT {number} AS source_row, * FROM {found.sql}"

        def make() -> None:
            con.execute(view)

        return make

    return _of_makers(source, {t.name: maker(t) for t in listed(con) if t.database == "source_database"})
