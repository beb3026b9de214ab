"""Models that are given by name, one or a list of them, read as they stand."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError, first_line
from omopsql.relation import resolve


def names_in(cursor: duckdb.DuckDBPyConnection, models: str) -> list[str]:
    """Read a list that arrived as text: ``[a.parquet, b.parquet]``. Raises OmopsqlError when it cannot be merged."""
    try:
        names = cursor.execute("SELECT CAST($1 AS VARCHAR[])", [models]).fetchall()[0][0]
    except duckdb.Error:
        names = None
    if not names or None in names:
        raise OmopsqlError(f"merge takes a list of models, as in ['a.parquet', 'b.parquet'], not {models!r}")
    if len(names) < 2:
        raise OmopsqlError(f"{names[0]} alone cannot be merged; give two models or more")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise OmopsqlError(f"{twice[0]} is given twice, and would count twice; give each model once")
    return [str(name) for name in names]


def read_table(cursor: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    """Read the rows of a model, its table or Parquet file, as they stand."""
    relation = resolve(cursor, name)
    try:
        return cursor.sql(f"FROM {relation.sql}").to_arrow_table()
    except duckdb.Error as error:
        raise OmopsqlError(f"{name} cannot be read: {first_line(error)}") from error
