"""Coarse bins: neighbouring cells of a margin joined, so that joint tables stay small and their cells full."""

from __future__ import annotations

import numpy as np
from numba import njit

from .margins import Margin


def bins_of(margin: Margin, most: int) -> np.ndarray:
    """Assign each cell of a margin to one of at most ``most`` bins; return the bin of each cell.

    Neighbouring numbers share a bin of about equal numbers of rows; a cell that is heavy stands alone. The commonest
    labels stand alone, the other labels share a bin. Missing values always have a bin of their own.
    """
    labels = len(margin.labels) + margin.has_rest
    alone = min(labels, max(most // 4, 1) if margin.numbers else most - 2)
    rest_bin = int(labels > alone)
    room = most - alone - rest_bin - margin.has_missing
    bins = np.zeros(len(margin.n), np.int64)
    used = 0
    if margin.numbers:
        line = _line_bins(margin.n[: margin.numbers], max(room, 1))
        bins[: margin.numbers] = line
        used = int(line[-1]) + 1
    for i in range(labels):  # labels stand in order of frequency
        bins[margin.numbers + i] = used + min(i, alone)
    used += alone + rest_bin
    if margin.has_missing:
        bins[margin.missing] = used
    return bins


def coded(cells: np.ndarray, maps: list[np.ndarray]) -> np.ndarray:
    """Map cells (columns, rows) to the bins that ``maps`` give them, uint8."""
    codes = np.empty(cells.shape, np.uint8)
    for j, bin_of_cell in enumerate(maps):
        _look_up(cells[j], bin_of_cell.astype(np.uint8), codes[j])
    return codes


@njit(nogil=True, cache=True)
def _look_up(cells, codes, found):
    for i in range(cells.size):
        found[i] = codes[cells[i]]


def _line_bins(n: np.ndarray, room: int) -> np.ndarray:
    """Join neighbours into at most ``room`` bins: close one when it holds its share; a heavy cell stands alone."""
    if len(n) <= room:
        return np.arange(len(n))
    share = max(n.sum(), 1) / room  # a line without rows is one bin
    while True:
        bins = _joined(n, share)
        if bins[-1] < room:
            return bins
        share *= 1.1


@njit(nogil=True, cache=True)
def _joined(n, share):
    bins = np.empty(n.size, np.int64)
    current, held = 0, 0.0
    for i in range(n.size):
        rows = n[i]
        heavy = rows >= 0.9 * share
        if held > 0.0 and (heavy or held + 0.5 * rows > share):
            current, held = current + 1, 0.0
        bins[i] = current
        held += rows
        if heavy and i + 1 < n.size:
            current, held = current + 1, 0.0
    return bins
