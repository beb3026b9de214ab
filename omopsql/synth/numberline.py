"""Number lines: from counts by public bucket to atoms and intervals of at least ``min_cell`` rows."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
from numba import njit

from omopsql.udfs.bucket import bucket_low

from .sorting import sorted_order

MAX_INTERVALS = 1024  # finer cells tell an analyst nothing more
MAX_ATOMS = 1024
_STEPS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
_SHARE_ON_STEP = 0.999
_SMALLEST = 1e-290  # below it steps vanish
_SLACK = 0.1  # of an interval: how far its edges may move to a round number


def unit_of(counted: pa.Table) -> float:
    """The step that (nearly) all values are multiples of; 0 when they show more digits than nine decimals."""
    if not counted.num_rows:
        return 0.0
    by_step = pa.TableGroupBy(counted, "step").aggregate([("n", "sum")]).to_pydict()
    held = dict(zip(by_step["step"], by_step["n_sum"], strict=True))
    enough = _SHARE_ON_STEP * sum(held.values())
    covered = 0
    for step in _STEPS:
        covered += held.get(step, 0)
        if covered >= enough:
            return step
    return 0.0


def number_line(counted: pa.Table, unit: float, rows: int, min_cell: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Release a number line: atoms and intervals of at least ``min_cell`` rows each, as (low, high, n).

    Few values are kept as atoms each. Where there are many, an atom must stand out from its neighbours (a heap);
    the others join the intervals. An interval is a run of public buckets. Fewer than ``min_cell`` rows in all are
    left out.
    """
    if not counted.num_rows:
        return np.empty(0), np.empty(0), np.empty(0, np.int64)
    order = sorted_order(counted["bucket"].to_numpy())
    bucket = counted["bucket"].to_numpy()[order]
    atom = counted["atom"].to_numpy(zero_copy_only=False)[order].astype(np.float64)
    n = counted["n"].to_numpy()[order].astype(np.int64)
    is_atom = ~np.isnan(atom)
    if is_atom.sum() > MAX_ATOMS:
        is_atom &= _stands_out(n, is_atom, rows)
    lows, highs, counts = _intervals(bucket[~is_atom], n[~is_atom], rows, min_cell)
    low = np.concatenate([atom[is_atom], lows])
    high = np.concatenate([atom[is_atom], highs])
    count = np.concatenate([n[is_atom], counts])
    placed = np.lexsort([high, low])
    return low[placed], high[placed], count[placed]


def _stands_out(n: np.ndarray, is_atom: np.ndarray, rows: int) -> np.ndarray:
    """Atoms that hold at least a thousandth of the rows, or five times what their neighbourhood holds on average."""
    near = np.convolve(n, np.ones(21) / 21.0, mode="same")
    keep = (n >= rows / MAX_ATOMS) | (n >= 5.0 * near)
    if keep.sum() > 4 * MAX_ATOMS:
        keep &= n >= np.sort(n[keep])[-4 * MAX_ATOMS]
    return keep & is_atom


def _intervals(
    bucket: np.ndarray, n: np.ndarray, rows: int, min_cell: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join neighbouring buckets until each interval holds ``min_cell`` rows (or a thousandth of all)."""
    if n.sum() < min_cell:
        return np.empty(0), np.empty(0), np.empty(0, np.int64)
    first, last, count = _joined(bucket, n, max(min_cell, rows // MAX_INTERVALS))
    low, high = _lower_edges(first), _lower_edges(last + 1)
    if len(low) > 1:
        _hide_extremes(bucket, n, low, high)
        _round_edges(low, high)
    return low, high, count


@njit(cache=True)
def _lower_edges(buckets):
    edges = np.empty(buckets.size)
    for i in range(buckets.size):
        edges[i] = bucket_low(buckets[i])
    return edges


@njit(cache=True)
def _joined(bucket, n, enough):
    """Greedy runs of buckets with at least ``enough`` rows; a short last run joins the one before."""
    first, last, count = [bucket[0]], [bucket[0]], [n[0]]
    for i in range(1, len(n)):
        if count[-1] >= enough and bucket[i] != last[-1]:
            first.append(bucket[i])
            last.append(bucket[i])
            count.append(n[i])
        else:
            last[-1] = bucket[i]
            count[-1] += n[i]
    if len(count) > 1 and count[-1] < enough:
        last[-2] = last[-1]
        count[-2] += count[-1]
        first.pop()
        last.pop()
        count.pop()
    return np.array(first), np.array(last), np.array(count)


def _hide_extremes(bucket: np.ndarray, n: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Set the two outermost edges from means over the end intervals, so that no single extreme shows.

    A row counts for no more than the distance from the edge to the middle of the line: one huge value cannot move
    the edge far.
    """
    values = 0.5 * (_lower_edges(bucket) + _lower_edges(bucket + 1))
    middle = 0.5 * (low[len(low) // 2] + high[len(high) // 2])
    top, bottom = values >= low[-1], values < high[0]
    high[-1] = low[-1] + _told_width(values[top] - low[-1], n[top], low[-1] - middle)
    low[0] = high[0] - _told_width(high[0] - values[bottom], n[bottom], middle - high[0])


def _told_width(reach: np.ndarray, n: np.ndarray, limit: float) -> float:
    """Width of an end interval: twice the mean reach, as if values lay evenly, but always inside the data."""
    mean = float(np.average(np.minimum(reach, max(limit, 0.0)), weights=n))
    return next((factor * mean for factor in (2.0, 1.5) if factor * mean < reach.max()), mean)


@njit(cache=True)
def _round_edges(low, high):
    """Move every inner edge outward to a round number, so that it is no single person's value.

    An edge moves by at most ``_SLACK`` of its interval, and never into the neighbour.
    """
    for i in range(low.size):
        slack = _SLACK * (high[i] - low[i])
        if i > 0:
            low[i] = _roundest(max(low[i] - slack, high[i - 1]), low[i])
        if i + 1 < low.size:
            high[i] = _roundest(high[i], min(high[i] + slack, low[i + 1]))


@njit(cache=True)
def _roundest(a, b):
    """A number in [a, b] that is a whole multiple of the largest power of two possible."""
    if not b - a > _SMALLEST:
        return b
    step = 2.0 ** math.floor(math.log2(b - a) + 1.0)
    while math.floor(b / step) * step < a:
        step *= 0.5
    return math.floor(b / step) * step
