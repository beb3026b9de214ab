"""Imagined rows that come to agree with tables of pairs of their columns.

One value of a row at a time is exchanged for another row's, wherever the tables that it stands in come nearer to what
they are to be, all of them together (as in local search; what a row holds besides is kept). After: Z. Zhang and others,
PrivSyn, USENIX Security 2021, where whole tables are put right one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

_SWEEPS, _FEWEST_SWEEPS = 10, 2
_WIDE = 40  # columns from which on there are fewer sweeps


class Wanted(NamedTuple):
    """The shares that two columns' fine bins are to have, and how much it counts, from 0, that they have them."""

    i: int
    j: int
    shares: np.ndarray
    weight: float = 1.0


@dataclass
class Population:
    """Imagined rows, by their cells and their fine bins, (columns, rows) each."""

    cells: np.ndarray
    codes: np.ndarray

    def table(self, i: int, j: int, sizes: np.ndarray) -> np.ndarray:
        """Shares of two columns' fine bins."""
        at = self.codes[i].astype(np.int64) * sizes[j] + self.codes[j]
        return np.bincount(at, minlength=sizes[i] * sizes[j]).reshape(sizes[i], sizes[j]) / len(at)

    def agree(self, tables: list[Wanted], sizes: np.ndarray) -> None:
        """Let tables of two columns' fine bins agree with those that are wanted."""
        width, rows = self.cells.shape
        excess = np.zeros((width, sizes.max(), width, sizes.max()), np.float32)
        weights = np.zeros((width, width), np.float32)
        for i, j, shares, weight in tables:
            differ = rows * (self.table(i, j, sizes) - shares)
            excess[i, : sizes[i], j, : sizes[j]] = differ
            excess[j, : sizes[j], i, : sizes[i]] = differ.T
            weights[i, j] = weights[j, i] = weight
        codes = np.ascontiguousarray(self.codes.T)
        for sweep in range(max(round(_SWEEPS * min(_WIDE / width, 1.0) ** 2), _FEWEST_SWEEPS)):
            for k in range(width):
                _exchange(self.cells[k], codes, excess, weights[k], k, sweep * width + k)
        self.codes = np.ascontiguousarray(codes.T)


@njit(nogil=True, cache=True)
def _exchange(cells, codes, excess, weights, k, seed):
    """Offer each row another's value of column ``k``; it is taken where the weighted sum of squared excesses falls.

    ``codes`` (rows, columns) are fine bins, ``excess`` (columns, bins, columns, bins) rows too many in each cell;
    ``weights`` are those of the column's tables with each, 0 with itself.
    """
    np.random.seed(seed)
    rows, width = codes.shape
    for row in range(rows):
        donor = np.random.randint(rows)
        old, new = codes[row, k], codes[donor, k]
        if old == new:
            continue
        gain = np.float32(0.0)
        for j in range(width):
            if j != k:
                other = codes[row, j]
                gain += weights[j] * (excess[k, old, j, other] - excess[k, new, j, other] - np.float32(1.0))
        if gain > 0.0:
            for j in range(width):
                if j != k:
                    other = codes[row, j]
                    excess[k, old, j, other] -= 1.0
                    excess[k, new, j, other] += 1.0
                    excess[j, other, k, old] -= 1.0
                    excess[j, other, k, new] += 1.0
            codes[row, k], cells[row] = new, cells[donor]
