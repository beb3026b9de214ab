"""Row generators: compiled models that any DuckDB connection can read rows from, whatever the transport.

A generator is two flat arrays and a compiled function ``fill(ints, reals, seed, first, out)`` that writes the rows
``first``, ``first + 1``, ... as doubles into ``out`` (slots, rows): a number, the code of a label, or NaN for NULL.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from . import PREFIX, add_function, load_native
from .recent import Recent

BLOCK = 2048  # rows a call: DuckDB's own vector size


@dataclass(frozen=True)
class Generator:
    """A compiled model. ``slots`` holds one entry an output: the labels of a label slot, None for numbers."""

    ints: np.ndarray
    reals: np.ndarray
    slots: tuple[tuple[str, ...] | None, ...]
    fill: Any

    @property
    def handle(self) -> int:
        """A number that names this generator by its content."""
        digest = hashlib.sha256(self.ints.tobytes())
        digest.update(self.reals.tobytes())
        digest.update(repr(self.slots).encode())
        return int.from_bytes(digest.digest()[:8], "little") >> 1

    def rows(self, seed: int, first: int, count: int) -> np.ndarray:
        """Generate ``count`` rows as doubles, shape (slots, count)."""
        out = np.empty((len(self.slots), count))
        self.fill(self.ints, self.reals, seed, first, out)
        return out


_recent: Recent[Generator] = Recent()
kept = _recent.kept


def keep(generator: Generator) -> int:
    """Keep a generator for the queries that are about to be planned, and return its handle."""
    handle = generator.handle
    _recent.keep(handle, generator)
    return handle


def is_native(cursor: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database of a connection has the native table function."""
    if not load_native():
        return False
    named = "SELECT 1 FROM duckdb_functions() WHERE function_name = ? LIMIT 1"
    return bool(cursor.execute(named, [f"{PREFIX}generate"]).fetchall())


def source_sql(cursor: duckdb.DuckDBPyConnection, generator: Generator, n: int, seed: int) -> tuple[str, list[str]]:
    """Write the FROM clause that yields ``n`` rows, and the SQL of each slot. ``row_number`` counts from 1."""
    handle = keep(generator)
    if is_native(cursor):
        return f"{PREFIX}generate({handle}, {n}, {seed})", [f"slot_{i}" for i in range(len(generator.slots))]
    blocks = (n + BLOCK - 1) // BLOCK
    rows = f"{PREFIX}generate_rows({handle}, {n}, {seed}, block)"
    numbers = labels = 0
    slots = []
    for slot in generator.slots:
        if slot is None:
            numbers += 1
            slots.append(f"numbers[{numbers}]")
        else:
            labels += 1
            slots.append(f"labels[{labels}]")
    return f"(SELECT unnest({rows}, max_depth := 2) FROM range({blocks}) AS blocks (block))", slots


def _block_rows(handle: int, n: int, seed: int, block: int) -> tuple[pa.Array, ...]:
    generator = kept(handle)
    first = block * BLOCK
    count = min(BLOCK, n - first)
    out = generator.rows(seed, first, count)
    numbers = [i for i, slot in enumerate(generator.slots) if slot is None]
    values = np.ascontiguousarray(out[numbers].T).reshape(-1)
    number_lists = pa.ListArray.from_arrays(
        pa.array(np.arange(count + 1) * len(numbers), pa.int32()),
        pa.array(values, pa.float64(), mask=np.isnan(values)),
    )
    texts = [_texts(out[i], slot) for i, slot in enumerate(generator.slots) if slot is not None]
    return pa.array(np.arange(first + 1, first + count + 1)), number_lists, _interleaved(texts, count)


def _texts(codes: np.ndarray, labels: tuple[str, ...]) -> pa.Array:
    missing = np.isnan(codes)
    indices = pa.array(np.where(missing, 0, codes).astype(np.int64), mask=missing)
    return pa.array(labels, pa.string()).take(indices)


def _interleaved(texts: list[pa.Array], count: int) -> pa.ListArray:
    """Turn columns of texts into one list a row."""
    width = len(texts)
    together = pa.concat_arrays(texts) if texts else pa.array([], pa.string())
    by_row = (np.arange(count)[:, None] + np.arange(width)[None, :] * count).reshape(-1)
    return pa.ListArray.from_arrays(pa.array(np.arange(count + 1) * width, pa.int32()), together.take(pa.array(by_row)))


_ROW = pa.struct([("row_number", pa.int64()), ("numbers", pa.list_(pa.float64())), ("labels", pa.list_(pa.string()))])


def _generate_rows(*columns: pa.ChunkedArray) -> pa.Array:
    """One list of rows for each call of (handle, n, seed, block)."""
    calls = zip(*(column.to_pylist() for column in columns), strict=True)
    blocks = [pa.StructArray.from_arrays(_block_rows(*call), fields=list(_ROW)) for call in calls]
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in blocks])])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.concat_arrays(blocks))


def register_arrow(con: duckdb.DuckDBPyConnection) -> None:
    """Register the Arrow route on the database of a connection."""
    returns = "STRUCT(row_number BIGINT, numbers DOUBLE[], labels VARCHAR[])[]"
    add_function(con, f"{PREFIX}generate_rows", _generate_rows, ["BIGINT"] * 4, returns)
