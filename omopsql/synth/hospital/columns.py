"""Columns of a synthetic CDM's tables: arrays in the types of the CDM's fields, in the order of its tables."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.harmonize.cdm import Field, tables

from .lives import Int64s

ROWS_A_PERSON = 1_000_000
MOST_INT32 = 2**31 - 1
DAY = 1440  # minutes
_MINUTE = 60_000_000  # microseconds
_FEWEST = 1 << 12  # rows of nothing that are kept
_DATE, _TIME = pa.date32(), pa.timestamp("us")

Bools = npt.NDArray[np.bool_]


def whole(values: npt.NDArray[Any], missing: Bools | None = None, field: Field | None = None) -> pa.Array:
    """Whole numbers as a column; of 32 bits where the field has them and they fit."""
    wide = field is None or field.type.upper() != "INTEGER" or int(values.max(initial=0)) > MOST_INT32
    return pa.array(values.astype(np.int64 if wide else np.int32), mask=missing)


def dates(days: npt.NDArray[Any], missing: Bools | None = None) -> pa.Array:
    """Days since 1970-01-01 as a column of dates."""
    return pa.array(days.astype(np.int32), pa.int32(), mask=missing).view(_DATE)


def times(days: npt.NDArray[Any], minutes: npt.NDArray[Any], missing: Bools | None = None) -> pa.Array:
    """Days since 1970-01-01 and minutes as a column of timestamps."""
    moments = (days.astype(np.int64) * DAY + minutes) * _MINUTE
    return pa.array(moments, pa.int64(), mask=missing).view(_TIME)


def arrow_type(field: Field) -> pa.DataType:
    """The Arrow type of a field."""
    if field.type.startswith("VARCHAR"):
        return pa.string()
    return {"BIGINT": pa.int64(), "INTEGER": pa.int32(), "DOUBLE": pa.float64(), "DATE": _DATE, "TIMESTAMP": _TIME}[
        field.type.upper()
    ]


def type_holding(field: Field, values: Iterable[Any]) -> pa.DataType:
    """The Arrow type of a field; of 64 bits where one of its values asks for them."""
    found = arrow_type(field)
    if pa.types.is_integer(found) and max(filter(None, values), default=0) > MOST_INT32:
        return pa.int64()
    return found


def nothing(field: Field, rows: int) -> pa.Array:
    """A column of which nothing is known."""
    return _nothing(arrow_type(field), field.is_required, max(rows - 1, _FEWEST).bit_length()).slice(0, rows)


@functools.lru_cache(maxsize=32)
def _nothing(found: pa.DataType, is_required: bool, bits: int) -> pa.Array:
    """So many rows of nothing that tables of about as many take theirs from them: 2 to the power of ``bits``."""
    if not is_required:
        return pa.nulls(1 << bits, found)
    return pa.repeat(pa.scalar("" if pa.types.is_string(found) else 0, found), 1 << bits)


def written(version: str, name: str, rows: int, columns: dict[str, pa.Array]) -> pa.Table:
    """Put columns into the order of the table's fields; a field without a column, or with holes it may not have."""
    fields = tables(version)[name].values()
    found = []
    for field in fields:
        column = columns.get(field.name)
        if column is None:
            column = nothing(field, rows)
        elif field.is_required and column.null_count:
            column = pc.fill_null(column, "" if pa.types.is_string(column.type) else 0)
        found.append(column)
    return pa.table(found, names=[field.name for field in fields])


def keys(numbers: Int64s, ordinals: npt.NDArray[Any]) -> Int64s:
    """The keys of records of the persons with these numbers."""
    found: Int64s = numbers * ROWS_A_PERSON + ordinals
    return found


def within(offsets: Int64s) -> Int64s:
    """The ordinal of each element in its person."""
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
