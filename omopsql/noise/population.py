"""Imagined rows that come to agree with tables of pairs of their columns.

Whole rows are drawn by weights first (raking: W. Deming, F. Stephan, Ann. Math. Statist. 1940), for that keeps their
other links. What no weight within bounds can do is left to a few changes of single rows (Z. Zhang and others, PrivSyn,
USENIX Security 2021).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numba import njit

_WHOLE = 8  # of so many changed rows one becomes a copy: more copies make the population uniform
_HEAVIEST = 10.0  # weight of a row
_FIRST_STEP, _SLOWER, _LEAST_STEP = 1.0, 0.93, 0.1


@dataclass
class Population:
    """Imagined rows, by their cells, (columns, rows), their fine bins, and the tables that they are to agree with."""

    cells: np.ndarray
    codes: np.ndarray
    targets: list[Target] = field(default_factory=list)

    def table(self, i: int, j: int, sizes: np.ndarray) -> np.ndarray:
        """Shares of two columns' fine bins."""
        at = self.codes[i].astype(np.int64) * sizes[j] + self.codes[j]
        return np.bincount(at, minlength=sizes[i] * sizes[j]).reshape(sizes[i], sizes[j]) / len(at)

    def agree(self, rakes: int, moves: int) -> None:
        """Let the tables agree with those that were counted: whole rows are weighted first, then a few are changed."""
        rows = self.cells.shape[1]
        weights = np.ones(rows)
        for _ in range(rakes):
            for of in self.targets:
                _rake(self.codes, of.i, of.j, of.down, of.across, of.shares, weights)
        picked = _drawn(weights, np.random.default_rng(len(self.targets)).random())
        self.cells, self.codes = np.take(self.cells, picked, axis=1), np.take(self.codes, picked, axis=1)
        for sweep in range(moves):
            step = max(_FIRST_STEP * _SLOWER**sweep, _LEAST_STEP)
            for number, of in enumerate(self.targets):
                seed = 1 + 1000 * sweep + number
                _move(self.cells, self.codes, of.i, of.j, of.down, of.across, of.shares, step, seed)


class Target(NamedTuple):
    """The shares that joined bins of two columns are to have, (down, across)."""

    i: int
    j: int
    down: np.ndarray
    across: np.ndarray
    shares: np.ndarray


def _drawn(weights: np.ndarray, start: float) -> np.ndarray:
    """As many rows as there are weights, each as often as its weight, up to one."""
    summed = np.cumsum(weights)
    at = (np.arange(len(weights)) + start) * (summed[-1] / len(weights))
    return np.minimum(np.searchsorted(summed, at), len(weights) - 1)


@njit(nogil=True, cache=True)
def _rake(codes, i, j, down, across, shares, weights):
    """Weight rows so that a table of two columns is as its target, as far as the heaviest weight allows."""
    rows, wide = weights.size, shares.shape[1]
    held = np.zeros(shares.shape)
    for row in range(rows):
        held[down[codes[i, row]], across[codes[j, row]]] += weights[row]
    for d in range(shares.shape[0]):
        for a in range(wide):
            held[d, a] = shares[d, a] * rows / held[d, a] if held[d, a] > 0.0 else 1.0
    for row in range(rows):
        weights[row] = min(weights[row] * held[down[codes[i, row]], across[codes[j, row]]], _HEAVIEST)


@njit(nogil=True, cache=True)
def _move(cells, codes, i, j, down, across, shares, step, seed):  # noqa: C901
    """Bring a table of two columns nearer to its target by a step.

    Rows of bins that hold too many become rows of bins that hold too few, mostly in these two columns alone, so that
    the rest of the row is kept; now and then as a copy of a whole row there.
    """
    np.random.seed(seed)
    columns, rows = cells.shape
    wide = shares.shape[1]
    bins = np.empty(rows, np.int64)
    held = np.zeros(shares.size, np.int64)
    for row in range(rows):
        bins[row] = down[codes[i, row]] * wide + across[codes[j, row]]
        held[bins[row]] += 1
    begin = np.zeros(shares.size + 1, np.int64)
    begin[1:] = np.cumsum(held)
    members, at = np.empty(rows, np.int64), begin[:-1].copy()
    for row in range(rows):
        members[at[bins[row]]] = row
        at[bins[row]] += 1
    excess = held - shares.copy().reshape(-1) * rows
    freed = np.empty(rows, np.int64)
    count = 0
    for b in range(shares.size):
        if excess[b] > 0.0:
            own = members[begin[b] : begin[b + 1]]
            take = min(int(excess[b] * step + np.random.random()), own.size)
            for k in range(take):
                other = k + np.random.randint(own.size - k)
                own[k], own[other] = own[other], own[k]
                freed[count] = own[k]
                count += 1
    for k in range(count):
        other = k + np.random.randint(count - k)
        freed[k], freed[other] = freed[other], freed[k]
    used = 0
    for b in range(shares.size):
        if excess[b] >= 0.0:
            continue
        need = int(-excess[b] * step + np.random.random())
        for k in range(need):
            if used >= count:
                return
            row = freed[used]
            used += 1
            if held[b] > 0:
                donor = members[begin[b] + np.random.randint(held[b])]
                if k % _WHOLE == 0:
                    for c in range(columns):
                        cells[c, row], codes[c, row] = cells[c, donor], codes[c, donor]
                else:
                    cells[i, row], codes[i, row] = cells[i, donor], codes[i, donor]
                    cells[j, row], codes[j, row] = cells[j, donor], codes[j, donor]
            else:
                first, second = _donors(codes[i], down, b // wide), _donors(codes[j], across, b % wide)
                if first >= 0 and second >= 0:
                    cells[i, row], codes[i, row] = cells[i, first], codes[i, first]
                    cells[j, row], codes[j, row] = cells[j, second], codes[j, second]


@njit(nogil=True, cache=True)
def _donors(codes, join, wanted):
    """A row of a joined bin, found at random; -1 where many tries find none."""
    for _ in range(1000):
        row = np.random.randint(codes.size)
        if join[codes[row]] == wanted:
            return row
    return -1
