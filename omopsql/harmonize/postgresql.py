"""Tables of a PostgreSQL database, read over ADBC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier, literal


def open_postgresql(con: duckdb.DuckDBPyConnection, uri: str, stage: str) -> dict[str, Callable[[], None]]:
    """Find the tables and views of a database; each is loaded into the schema ``stage`` when it is asked for.

    ``?schema=NAME`` at the end of the URI names the schema, otherwise ``public``. Raises OmopsqlError when the extra
    is not installed or the database cannot be reached.
    """
    parts = urlsplit(uri)
    options = parse_qs(parts.query)
    schema = options.pop("schema", ["public"])[0]
    plain = urlunsplit(parts._replace(query="&".join(f"{k}={v[0]}" for k, v in options.items())))
    database = _connected(plain, uri)
    rows = _fetch(
        database,
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns "
        f"WHERE table_schema = {literal(schema)} ORDER BY table_name, ordinal_position",
    ).to_pylist()
    columns: dict[str, dict[str, str]] = {}
    for row in rows:
        columns.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    if not columns:
        raise OmopsqlError(f"{uri}: schema {schema} holds no tables that can be read")
    return {table: _maker(con, database, stage, schema, table, of_table) for table, of_table in columns.items()}


def _connected(plain: str, uri: str) -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise OmopsqlError("reading PostgreSQL needs an extra: pip install 'omopsql[postgresql]'") from error
    try:
        return dbapi.connect(plain)
    except Exception as error:
        shown = urlsplit(uri).hostname or uri
        raise OmopsqlError(f"the database at {shown} cannot be reached: {first_line(error)}") from error


def _fetch(database: Any, sql: str) -> pa.Table:
    with database.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


def _maker(
    con: duckdb.DuckDBPyConnection, database: Any, stage: str, schema: str, table: str, columns: dict[str, str]
) -> Callable[[], None]:
    """NUMERIC has no Arrow type of its own over ADBC: it is read as double. Rows come in batches."""
    selected = ", ".join(
        f"{identifier(name)}::double precision AS {identifier(name)}" if kind == "numeric" else identifier(name)
        for name, kind in columns.items()
    )
    sql = f"SELECT {selected} FROM {identifier(schema, table)}"

    def make() -> None:
        with database.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetch_record_batch()
            con.register("postgresql_rows", rows)
            target = identifier(stage, table)
            con.execute(f"CREATE TABLE {target} AS SELECT row_number() OVER () AS source_row, * FROM postgresql_rows")
            con.unregister("postgresql_rows")

    return make
