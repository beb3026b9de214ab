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

from omopsql.relation import arrow_batches

from . import columns as c
from .counts import source_expression
from .margins import Margin

BATCH_ROWS = 122_880
_IN_MEMORY_BYTES = 1 << 29
_SLOTS = 4096
_FEW_LABELS = 64  # so many DuckDB looks up itself: once a text where the source holds each only once


def encode(cursor: duckdb.DuckDBPyConnection, types: dict[str, str], margins: list[Margin], rows: int) -> np.ndarray:
    """Read the source once; return its cells, shape (learned columns, rows), int32.

    A value whose cell was not released (too few such rows) counts with the commonest cell. Large sources spill to a
    temporary file, so memory stays bounded.
    """
    learned = [margin for margin in margins if margin.column.kind in c.LEARNED]
    if not learned:
        return np.empty((0, rows), np.int32)
    cells = _room(len(learned), rows)
    start = 0
    for batch in _batches(cursor, types, learned):
        stop = start + batch.num_rows
        position = 0
        for j, margin in enumerate(learned):
            numbers, labels, position = _take(batch, position, margin)
            into = cells[j, start:stop]
            _place(margin, numbers, labels, into)
            if into.min(initial=0) < 0:
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
            few = 0 < len(margin.labels) <= _FEW_LABELS
            read.append(ibis.array(list(margin.labels)).index(value).cast("int32") if few else value)
    named = {f"v{i}": expression for i, expression in enumerate(read)}
    sql = ibis.to_sql(source.select(**named), dialect="duckdb")
    yield from arrow_batches(cursor, sql, BATCH_ROWS)


def _take(batch: pa.RecordBatch, position: int, margin: Margin) -> tuple[np.ndarray | None, pa.Array | None, int]:
    """Take a margin's one or two read columns from a batch: its numbers (NaN: none), its texts or their places."""
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
    elif pa.types.is_integer(texts.type):
        of_place = [*range(margin.numbers, margin.numbers + len(margin.labels)), margin.missing, margin.rest]
        place = texts.fill_null(len(margin.labels)).to_numpy()  # -1, for none of them, is the last
        np.take(np.array(of_place, np.int32), place, out=cells, mode="wrap")
    else:
        labels = pa.array(margin.labels, pa.string())
        found = pc.index_in(texts.cast(pa.string()), labels).fill_null(-1).to_numpy()
        np.add(found, margin.numbers, out=cells)
        if found.min(initial=0) < 0:
            missing = texts.is_null().to_numpy(zero_copy_only=False)
            cells[found < 0] = margin.rest
            cells[missing] = margin.missing
    if numbers is not None and margin.numbers:
        breaks, owners = _breaks(margin)
        _place_numbers(numbers, breaks, owners, _guide(breaks), cells)


def _breaks(margin: Margin) -> tuple[np.ndarray, np.ndarray]:
    """Where cells begin on the number line, ascending, and which: an atom ends just above its value."""
    is_atom = margin.low == margin.high
    intervals = np.flatnonzero(~is_atom)
    atoms = margin.low[is_atom]
    after = np.nextafter(atoms, np.inf)
    covering = np.searchsorted(margin.low[intervals], after, side="right") - 1
    beyond = intervals[np.maximum(covering, 0)] if len(intervals) else np.full(len(atoms), -1)
    begins = np.concatenate([margin.low[intervals], after, atoms])
    owners = np.concatenate([intervals, beyond, np.flatnonzero(is_atom)])
    order = np.argsort(begins, kind="stable")  # where an atom begins as the one before ends, the atom comes last
    return begins[order], owners[order]


def _guide(breaks: np.ndarray) -> np.ndarray:
    """For each of equal slots between the first and the last break: how many breaks lie at or before its begin."""
    edges = breaks[0] + (breaks[-1] - breaks[0]) * np.arange(_SLOTS + 1) / _SLOTS
    return np.searchsorted(breaks, edges, side="right")


@njit(cache=True, nogil=True)
def _place_numbers(numbers, breaks, owners, guide, cells):
    """Write the cell of each finite number: the owner of the last break at or below it."""
    first, width = breaks[0], breaks[-1] - breaks[0]
    scale = _SLOTS / width if width > 0.0 else 0.0
    for i in range(numbers.size):
        x = numbers[i]
        if not np.isfinite(x):
            continue
        slot = min(max(int((x - first) * scale), 0), _SLOTS - 1) if x > first else 0
        low, high = max(guide[slot] - 1, 0), min(guide[slot + 1] + 1, breaks.size)
        while low < high:
            middle = (low + high) >> 1
            if breaks[middle] <= x:
                low = middle + 1
            else:
                high = middle
        cells[i] = owners[max(low - 1, 0)]
