"""The one place that resolves what a user calls a source: a table, a view, a file, a glob or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import duckdb
import pyarrow as pa

from .errors import OmopsqlError, first_line
from .quoting import identifier, literal

_READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".csv.gz": "read_csv",
    ".tsv.gz": "read_csv",
    ".json": "read_json",
    ".ndjson": "read_json",
    ".jsonl": "read_json",
}
_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')


@dataclass(frozen=True)
class Relation:
    """A source that can be read: what the user called it, the SQL to stand after FROM, its columns and types."""

    name: str
    sql: str
    columns: dict[str, str]


def resolve(cursor: duckdb.DuckDBPyConnection, source: str) -> Relation:
    """Find the table, view, file, glob or folder that ``source`` names. A table comes before a file of that name.

    Raises OmopsqlError when there is none, or when it cannot be read.
    """
    return describe(cursor, source, _table(cursor, source) or _file(source))


def is_stored(cursor: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether ``source`` names a table or a view, which comes before a file of that name."""
    return _table(cursor, source) is not None


def resolve_file(cursor: duckdb.DuckDBPyConnection, path: Path) -> Relation:
    """Find what a file, a glob or a folder holds. Raises OmopsqlError when there is nothing that can be read."""
    return describe(cursor, str(path), _file(str(path)))


def describe(cursor: duckdb.DuckDBPyConnection, source: str, sql: str) -> Relation:
    """Read the columns of what stands after FROM in ``sql``. Raises OmopsqlError when it cannot be read."""
    try:
        described = cursor.execute(f"DESCRIBE FROM {sql}").fetchall()
    except duckdb.Error as error:
        raise OmopsqlError(f"{source} cannot be read: {first_line(error)}") from error
    return Relation(source, sql, {name: sql_type for name, sql_type, *_ in described})


def arrow_batches(cursor: duckdb.DuckDBPyConnection, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
    """Run a query and yield its rows in batches of at most so many."""
    yield from arrow_reader(cursor.sql(sql), rows)


def arrow_reader(relation: duckdb.DuckDBPyRelation, rows: int) -> pa.RecordBatchReader:
    """Stream a relation in batches of at most so many rows. DuckDB renamed the method in 2.0."""
    reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    return reader(rows)


def name_parts(source: str) -> list[str] | None:
    """Split ``db.schema.table``, quoted or not, into its parts; None when it is no such name."""
    parts, position = [], 0
    for match in _PART.finditer(source):
        if match.start() != position:
            return None
        parts.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        position = match.end() + 1
        if match.end() < len(source) and source[match.end()] != ".":
            return None
    return parts if parts and position == len(source) + 1 else None


def _table(cursor: duckdb.DuckDBPyConnection, source: str) -> str | None:
    """Return the quoted full name of a table or view: the name as it stands first, then read as db.schema.table."""
    for parts in ([source], name_parts(source)):
        if parts and len(parts) <= 3:
            found = _lookup(cursor, parts)
            if found:
                return found
    return None


@dataclass(frozen=True)
class Listed:
    """A table or view of a database: its full name, and whether it is a table."""

    database: str
    schema: str
    name: str
    is_table: bool

    @property
    def sql(self) -> str:
        """The quoted full name."""
        return identifier(self.database, self.schema, self.name)


def listed(cursor: duckdb.DuckDBPyConnection) -> list[Listed]:
    """List the tables and views of all attached databases: those of the current schema first, then by name."""
    rows = cursor.execute(
        """
        WITH relations AS (
            SELECT database_name, schema_name, table_name AS name, true AS is_table
            FROM duckdb_tables() WHERE NOT internal
            UNION ALL
            SELECT database_name, schema_name, view_name, false FROM duckdb_views() WHERE NOT internal
        )
        FROM relations
        ORDER BY
            database_name = current_database() AND schema_name = current_schema() DESC,
            database_name = current_database() DESC,
            schema_name = 'main' DESC,
            database_name, schema_name, name
        """
    ).fetchall()
    return [Listed(*row) for row in rows]


def _lookup(cursor: duckdb.DuckDBPyConnection, parts: list[str]) -> str | None:
    *qualifiers, name = (part.lower() for part in parts)
    current = cursor.execute("SELECT current_database(), current_schema()").fetchall()[0]
    for found in listed(cursor):
        if found.name.lower() != name:
            continue
        place = [found.database.lower(), found.schema.lower()]
        is_here = found.database == current[0] and found.schema in (current[1], "main")
        if (not qualifiers and is_here) or (len(qualifiers) == 1 and qualifiers[0] in place) or qualifiers == place:
            return found.sql
    return None


def _file(source: str) -> str:
    """Return the reader call of a file, glob, folder of Parquet files, or URL."""
    path = Path(source)
    if source and path.is_dir():
        return f"read_parquet({literal(escape(str(path)) + '/**/*.parquet')})"
    suffix = _suffix(source)
    if suffix is None:
        raise OmopsqlError(
            f"there is no table or view {source!r} here, and it is no .parquet, .csv or .json file; a temporary table, "
            "an uncommitted table or a WITH query cannot be seen: make it a table or a Parquet file first"
        )
    if not re.search(r"[*?\[]|^[a-z0-9]{2,}://", source) and not path.exists():
        raise OmopsqlError(f"there is no file {source}")
    reader = f"{_READERS[suffix]}({literal(source)})"
    # DuckDB 2.0 lets the CSV reader do a CAST, and it cannot read 'true' as a number; LIMIT ALL keeps them apart.
    return f"(FROM {reader} LIMIT ALL)" if _READERS[suffix] == "read_csv" else reader


def _suffix(source: str) -> str | None:
    name = source.lower()
    return next((suffix for suffix in _READERS if name.endswith(suffix)), None)
