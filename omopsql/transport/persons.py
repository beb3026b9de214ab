"""Columns of persons' rows: tables that any DuckDB connection can ask, person by person, whatever the transport.

A source makes the rows of some persons. A query asks for its columns one by one, each as a list a person, and unnests
the lists side by side, so that only the columns that vary cross to DuckDB, and only of the persons that a filter left:

    SELECT person_id, unnest(omopsql_persons_date(handle, 3, person_id)) AS condition_start_date FROM ...

DuckDB hands over the same persons once a column; the rows are made at the first column, and kept for the others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa

from . import PREFIX, add_function
from .recent import Recent

TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR": pa.string(),
}
_THREADS = 256


@dataclass(frozen=True)
class Rows:
    """Rows of some persons: those of person i stand from ``offsets[i]`` to ``offsets[i + 1]``."""

    offsets: np.ndarray
    table: pa.Table


class Source(Protocol):
    """What makes the rows of persons, given by their numbers in rising order. Equal numbers give equal rows."""

    def rows(self, numbers: np.ndarray) -> Rows:
        """Make the rows of these persons."""


_recent: Recent[Source] = Recent()
keep = _recent.keep


def column_sql(handle: int, position: int, arrow_type: pa.DataType, person: str) -> str:
    """Write the call that gives column ``position`` of a person's rows as a list. ``person`` is SQL."""
    sql_type = next(name for name, known in TYPES.items() if known == arrow_type)
    return f"{_name(sql_type)}({handle}, {position}, {person})"


def _name(sql_type: str) -> str:
    return f"{PREFIX}persons_{sql_type.lower()}"


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Register the functions, one a type, on the database of a connection."""
    for sql_type in TYPES:
        add_function(con, _name(sql_type), _column(sql_type), ["BIGINT"] * 3, f"{sql_type}[]")


@dataclass
class _Made:
    """The rows that a thread made last, of which source and whom, and how many columns it has not handed over yet."""

    handle: int
    numbers: np.ndarray
    rows: Rows
    left: int


# By thread. Not a threading.local: Python forgets those of a thread of DuckDB's between two calls, and may crash then.
_made: OrderedDict[int, _Made] = OrderedDict()


@cache
def _column(sql_type: str) -> Callable[..., pa.Array]:
    arrow_type = TYPES[sql_type]

    def lists(handle: pa.ChunkedArray, position: pa.ChunkedArray, person: pa.ChunkedArray) -> pa.Array:
        if len(person) == 0:
            return pa.array([], pa.list_(arrow_type))
        numbers = np.array(_flat(person).to_numpy())  # writable, as kernels were compiled for
        distinct, place = numbers, None
        if len(numbers) > 1 and not (np.diff(numbers) > 0).all():  # a join may bring them in any order, or again
            distinct, place = np.unique(numbers, return_inverse=True)
        rows = _rows(handle[0].as_py(), distinct)
        values = _flat(rows.table.column(position[0].as_py()))
        made = pa.ListArray.from_arrays(pa.array(rows.offsets, pa.int32()), values.cast(arrow_type))
        return made if place is None else made.take(pa.array(place))

    return lists


def _rows(handle: int, numbers: np.ndarray) -> Rows:
    """The rows of these persons: made at the first column, forgotten after the last."""
    thread = threading.get_ident()
    made = _made.pop(thread, None)
    if made is None or made.handle != handle or not np.array_equal(made.numbers, numbers):
        made = None  # its memory is free before the next rows are made
        rows = _recent.kept(handle).rows(numbers)
        made = _Made(handle, numbers, rows, rows.table.num_columns - 1)  # nobody asks for person_id
    made.left -= 1
    if made.left > 0:
        _made[thread] = made
        while len(_made) > _THREADS:
            _made.popitem(last=False)
    return made.rows


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
