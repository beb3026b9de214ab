"""From rows to cells: each value becomes the number of its margin cell."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from . import columns as c
from .counts import source_expression
from .margins import Margin

BATCH_ROWS = 122_880
_IN_MEMORY_BYTES = 1 << 29


def encode(cursor: duckdb.DuckDBPyConnection, types: dict[str, str], margins: list[Margin], rows: int) -> np.ndarray:
    """Read the source once; return its cells, shape (learned columns, rows), int32.

    A value whose cell was not released (too few such rows) counts with the commonest cell. Large sources spill to a
    temporary file, so memory stays bounded.
    """
    learned = [margin for margin in margins if margin.column.kind in c.LEARNED]
    cells = _room(len(learned), rows)
    start = 0
    for batch in _batches(cursor, types, learned):
        stop = start + batch.num_rows
        position = 0
        for j, margin in enumerate(learned):
            numbers, labels, position = _take(batch, position, margin)
            into = cells[j, start:stop]
            _place(margin, numbers, labels, into)
            into[into < 0] = np.argmax(margin.n)
        start = stop
    return cells[:, :start]


def _room(width: int, rows: int) -> np.ndarray:
    if width * rows * 4 <= _IN_MEMORY_BYTES:
        return np.empty((width, rows), np.int32)
    with tempfile.TemporaryFile(prefix="omopsql-") as spill:
        return np.memmap(spill, np.int32, "w+", shape=(width, rows))


def _batches(
    cursor: duckdb.DuckDBPyConnection, types: dict[str, str], learned: list[Margin]
) -> Iterator[pa.RecordBatch]:
    source = source_expression(types)
    read = []
    for margin in learned:
        column, value = margin.column, source[margin.column.name]
        if column.kind == c.NUMBER:
            read.append(c.number(value, column.type))
        if column.kind == c.NUMBER_TEXT:
            read.append(c.number_in_text(value, column.decimals))
        if column.kind != c.NUMBER:
            read.append(value)
    named = {f"v{i}": expression for i, expression in enumerate(read)}
    sql = ibis.to_sql(source.select(**named), dialect="duckdb")
    yield from cursor.sql(sql).fetch_arrow_reader(BATCH_ROWS)


def _take(
    batch: pa.RecordBatch, position: int, margin: Margin
) -> tuple[np.ndarray | None, pa.Array | None, int]:
    """Take a margin's one or two read columns from a batch: its numbers (NaN: none) and its texts."""
    numbers = texts = None
    if margin.column.kind in (c.NUMBER, c.NUMBER_TEXT):
        numbers = batch.column(position).to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        position += 1
    if margin.column.kind != c.NUMBER:
        texts = batch.column(position)
        position += 1
    return numbers, texts, position


def _place(margin: Margin, numbers: np.ndarray | None, texts: pa.Array | None, cells: np.ndarray) -> None:
    if texts is None:
        cells[:] = margin.missing
    else:
        labels = pa.array(margin.labels, pa.string())
        found = pc.index_in(texts.cast(pa.string()), labels).fill_null(-1).to_numpy(zero_copy_only=False)
        missing = texts.is_null().to_numpy(zero_copy_only=False)
        cells[:] = np.where(found >= 0, margin.numbers + found, np.where(missing, margin.missing, margin.rest))
    if numbers is not None and margin.numbers:
        is_atom = margin.low == margin.high
        atoms, intervals = np.flatnonzero(is_atom), np.flatnonzero(~is_atom)
        _place_numbers(numbers, margin.low[atoms], atoms, margin.low[intervals], intervals, cells)


@njit(cache=True, nogil=True)
def _search(edges, x):
    """Index of the last edge at or below x, or -1."""
    low, high = 0, edges.size
    while low < high:
        middle = (low + high) >> 1
        if edges[middle] <= x:
            low = middle + 1
        else:
            high = middle
    return low - 1


@njit(cache=True, nogil=True)
def _place_numbers(numbers, atoms, atom_cells, edges, edge_cells, cells):
    """Write the cell of each finite number: its atom, else the interval that begins last at or below it."""
    for i in range(numbers.size):
        x = numbers[i]
        if not np.isfinite(x):
            continue
        at = _search(atoms, x)
        if at >= 0 and atoms[at] == x:
            cells[i] = atom_cells[at]
        elif edges.size > 0:
            cells[i] = edge_cells[max(_search(edges, x), 0)]
        else:
            cells[i] = -1
