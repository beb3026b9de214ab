"""What the explorer of a release holds: its tables, in a DuckDB file that DuckDB-WASM reads, and first queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from omopsql.quoting import identifier, literal
from omopsql.sql_files import sql_folder

from .record import Variable

STORAGE = "v1.0.0"  # of the file: every DuckDB since 1.0 reads it, and so does DuckDB-WASM without an extension
MOST_ROWS = 2_000_000  # of a table: what a browser holds with ease
_FEW_VALUES = 30  # of a column to group by
_MOST_TABLES = 3  # with examples of their own
_OMOP = (
    "persons",
    "named_conditions",
    "conditions",
    "measurements",
    "drugs",
    "visits",
    "deaths",
    "observation",
    "life",
)
_PERSON = "person_id"
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True)
class Table:
    """A table of the explorer. Of a large one every ``every``-th person or row is there; ``rows`` are those there."""

    name: str
    rows: int
    every: int
    columns: tuple[Variable, ...]


@dataclass(frozen=True)
class Example:
    """A query that runs on these tables."""

    title: str
    sql: str


@dataclass(frozen=True)
class Explored:
    """The tables that have rows, and examples."""

    tables: tuple[Table, ...]
    examples: tuple[Example, ...]

    def as_json(self) -> dict[str, Any]:
        """Return both as the page reads them."""
        return asdict(self)


def write_database(
    con: duckdb.DuckDBPyConnection,
    tables: dict[str, list[Path]],
    described: dict[str, tuple[Variable, ...]],
    file: Path,
    most_rows: int = MOST_ROWS,
) -> Explored:
    """Write the tables that have rows to a new DuckDB ``file``, and find out which examples answer anything.

    ``con`` is a connection in memory. ``tables`` are Parquet files by table, ``described`` columns by table as the
    record has them. When a table has more than ``most_rows`` rows, some are left out: where there are persons, the same
    persons from every table.
    """
    sources = [_source(con, name, files) for name, files in sorted(tables.items())]
    of_persons = _every(max((one.rows for one in sources if one.has_persons), default=0), most_rows)
    con.execute(f"ATTACH {literal(str(file))} AS explorer (STORAGE_VERSION {literal(STORAGE)})")
    con.execute("USE explorer")
    found = []
    for source in filter(lambda source: source.rows, sources):
        every = of_persons if source.has_persons else _every(source.rows, most_rows)
        found.append(_filled(con, source, every, described.get(source.name, ())))
    examples = tuple(_examples(con, found))
    con.execute("USE memory")
    con.execute("DETACH explorer")
    return Explored(tuple(found), examples)


@dataclass(frozen=True)
class _Source:
    name: str
    files: str
    rows: int
    columns: dict[str, str]

    @property
    def has_persons(self) -> bool:
        return _PERSON in self.columns


def _source(con: duckdb.DuckDBPyConnection, name: str, files: list[Path]) -> _Source:
    listed = f"[{', '.join(literal(str(file)) for file in files)}]"
    rows = con.execute(f"SELECT count(*) FROM read_parquet({listed})").fetchall()[0][0]
    columns = {row[0]: row[1] for row in con.execute(f"DESCRIBE FROM read_parquet({listed})").fetchall()}
    return _Source(name, listed, rows, columns)


def _every(rows: int, most_rows: int) -> int:
    """Of how many persons or rows one is kept."""
    return max(1, -(-rows // most_rows))


def _filled(con: duckdb.DuckDBPyConnection, source: _Source, every: int, described: tuple[Variable, ...]) -> Table:
    """Write a table and tell what it holds."""
    name, columns = identifier(source.name), ", ".join(map(identifier, source.columns))
    kept = f"hash({_PERSON})" if source.has_persons else "file_row_number"
    rows_of_files = f"read_parquet({source.files}, file_row_number = true)"
    con.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM {rows_of_files} WHERE {kept} % {every} = 0")
    rows = con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
    words = {variable.name: variable.description for variable in described}
    variables = (Variable(column, kind, words.get(column, "")) for column, kind in source.columns.items())
    return Table(source.name, rows, every, tuple(variables))


def _examples(con: duckdb.DuckDBPyConnection, tables: list[Table]) -> Iterator[Example]:
    """Yield the queries that run on these tables and answer something."""
    for example in (*_omop_examples(), *_flat_examples(con, tables)):
        try:
            if con.execute(example.sql).fetchone() is not None:
                yield example
        except duckdb.Error:  # it asks for tables or columns that these data do not have
            continue


@cache
def _omop_examples() -> tuple[Example, ...]:
    """Return the queries for a CDM: files whose first line is the title."""
    found = []
    for name in _OMOP:
        title, _, sql = sql_folder("publish", "explorer", f"{name}.sql").read_text(encoding="utf-8").partition("\n")
        found.append(Example(title.removeprefix("-- "), sql.strip()))
    return tuple(found)


def _flat_examples(con: duckdb.DuckDBPyConnection, tables: list[Table]) -> Iterator[Example]:
    """Yield queries for tables of any kind; of a CDM only an overview of its largest table."""
    is_cdm = any(table.name == "person" for table in tables)
    for table in sorted(tables, key=lambda table: -table.rows)[: 1 if is_cdm else _MOST_TABLES]:
        name = identifier(table.name)
        yield Example(f"Every column of {table.name} at a glance", f"SUMMARIZE {name};")
        if is_cdm:
            continue
        yield Example(f"Rows of {table.name}", f"SELECT *\nFROM {name}\nLIMIT 100;")
        group = next((column.name for column in table.columns if _is_group(con, table, column)), None)
        if group is None:
            continue
        numbers = [column.name for column in table.columns if _is_number(column) and column.name != group][:3]
        means = "".join(f",\n    avg({identifier(column)}) AS {identifier(f'mean_{column}')}" for column in numbers)
        by = identifier(group)
        sql = f'SELECT\n    {by},\n    count(*) AS "rows"{means}\nFROM {name}\nGROUP BY {by}\nORDER BY {by};'
        yield Example(f"{table.name} by {group}", sql)


def _is_group(con: duckdb.DuckDBPyConnection, table: Table, column: Variable) -> bool:
    """Whether a column has so few values that rows can be grouped by it."""
    counted = f"SELECT approx_count_distinct({identifier(column.name)}) FROM {identifier(table.name)}"
    return bool(1 < con.execute(counted).fetchall()[0][0] <= _FEW_VALUES)


def _is_number(column: Variable) -> bool:
    return column.type.startswith(_NUMBERS) and not column.name.endswith("_id")
