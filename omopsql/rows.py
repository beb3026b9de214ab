"""Rows of Python as a table. They travel as JSON, for PyArrow loads pandas to read a list, which takes longer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import duckdb
import pyarrow as pa

from .quoting import identifier


def create_temporary(
    cursor: duckdb.DuckDBPyConnection, name: str, rows: Iterable[Sequence[object]], types: Mapping[str, str]
) -> None:
    """Make a temporary table of rows, with columns of DuckDB types."""
    query = f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {_select(types)}"
    cursor.execute(query, _parameters(rows, types))


def arrow_table(
    cursor: duckdb.DuckDBPyConnection, rows: Iterable[Sequence[object]], types: Mapping[str, str]
) -> pa.Table:
    """Return rows as an Arrow table, with columns of DuckDB types."""
    return cursor.sql(_select(types), params=_parameters(rows, types)).to_arrow_table()


def _select(types: Mapping[str, str]) -> str:
    columns = ", ".join(f"unnest(told.{identifier(name)}) AS {identifier(name)}" for name in types)
    return f"SELECT {columns} FROM (SELECT from_json($1, $2) AS told)"


def _parameters(rows: Iterable[Sequence[object]], types: Mapping[str, str]) -> list[str]:
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    told = dict(zip(types, columns, strict=True))
    return [json.dumps(told), json.dumps({name: [kind] for name, kind in types.items()})]
