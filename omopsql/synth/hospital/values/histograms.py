"""Released histograms side by side: looked up by their key, drawn from, and turned into normal scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numba import njit

from omopsql.udfs.normal import norm_pdf, norm_ppf

from ..lives import Doubles, Int64s
from ..sums import Sums, group_starts

_END = 0.6  # tilt of the outermost bins, that of normal tails between a quantile and the extreme


@dataclass(frozen=True)
class Histograms:
    """Histograms: that of number h has its bins, from ``low`` to ``high``, at ``starts[h]`` to ``starts[h + 1]``.

    ``upto`` is the cumulative probability at the end of each bin, ``key`` (histograms, width) what each is about.
    Those of a ``bounded`` scale need not get thin towards its ends, as those of a correlation.
    """

    key: Int64s
    starts: Int64s
    low: Int64s
    high: Int64s
    n: Int64s
    upto: Doubles
    bounded: bool = False

    @classmethod
    def released(cls, sums: Sums, statistic: str, width: int) -> Histograms:
        """Read a pooled statistic whose key, without the bin, has ``width`` numbers."""
        keys, n = sums.get(statistic, width + 2)
        return cls.of(keys[:, :width], keys[:, width], keys[:, width + 1], n)

    @classmethod
    def of(cls, prefix: Int64s, low: Int64s, high: Int64s, n: Int64s) -> Histograms:
        """Histograms from sorted rows: the key of each, its bin and its persons."""
        starts = np.append(group_starts(list(prefix.T), len(n)), len(n)) if len(n) else np.zeros(1, np.int64)
        upto = np.empty(len(n))
        for begin, end in pairwise(starts):
            upto[begin:end] = np.cumsum(n[begin:end]) / n[begin:end].sum()
        return cls(prefix[starts[:-1]], starts, low, high, n, upto)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def total(self) -> Int64s:
        """Persons of each histogram."""
        return np.array([self.n[a:b].sum() for a, b in pairwise(self.starts)], np.int64)

    @cached_property
    def number(self) -> dict[tuple[int, ...], int]:
        """The number of each histogram, by its key."""
        return {tuple(key): h for h, key in enumerate(self.key.tolist())}

    def best(self, keys: list[tuple[int, ...]], enough: int) -> int:
        """The first of the keys whose histogram holds ``enough`` persons, else the fullest of them; -1 without any."""
        found = [self.number[key] for key in keys if key in self.number]
        full = next((h for h in found if self.total[h] >= enough), None)
        return full if full is not None else max(found, key=lambda h: int(self.total[h]), default=-1)

    def scores(self, which: Int64s, at: Int64s) -> Doubles:
        """Normal scores of bins ``at`` in histograms ``which``; NaN where there is none (-1)."""
        scores = np.empty(len(at))
        _score(self.starts, self.low, self.high, self.upto, which, at, scores)
        return scores

    def density(self, histogram: int, at: Int64s) -> Doubles:
        """Persons a bin at each of the bins ``at``."""
        begin, end = self.starts[histogram], self.starts[histogram + 1]
        low, high, n = self.low[begin:end], self.high[begin:end], self.n[begin:end]
        row = np.minimum(np.searchsorted(high, at), len(high) - 1)
        inside = (low[row] <= at) & (at <= high[row])
        return np.where(inside, n[row] / (high[row] - low[row] + 1.0), 0.0)

    @cached_property
    def tilt(self) -> Doubles:
        """How the density changes inside each bin, from its neighbours': -1 falls to nothing, 1 rises from it."""
        return np.asarray(tilts(self.starts, self.low, self.high, self.n.astype(np.float64), self.bounded))

    def table(self, shape: tuple[int, ...], keys: Callable[..., list[tuple[int, ...]]], enough: int) -> Int64s:
        """For each cell of a grid, the best histogram for the keys that ``keys`` names for it, in order of liking."""
        best = np.empty(shape, np.int64)
        for cell in np.ndindex(*shape):
            best[cell] = self.best(keys(*cell), enough)
        return best


@njit(cache=True, nogil=True)
def tilts(starts, low, high, n, bounded):
    """The tilt of each bin: towards the denser neighbour.

    At the ends of a histogram it falls outwards, or goes on as inside where the scale is ``bounded``.
    """
    tilt = np.zeros(n.size)
    for histogram in range(starts.size - 1):
        begin, end = starts[histogram], starts[histogram + 1]
        for row in range(begin, end):
            width = high[row] - low[row] + 1
            if width < 3:
                continue
            own = n[row] / width
            left = n[row - 1] / (high[row - 1] - low[row - 1] + 1) if row > begin else 0.0
            right = n[row + 1] / (high[row + 1] - low[row + 1] + 1) if row < end - 1 else 0.0
            if bounded and row == begin:
                left = max(2.0 * own - right, 0.0)
            if bounded and row == end - 1:
                right = max(2.0 * own - left, 0.0)
            rise, fall = min(left, 3.0 * own), min(right, 3.0 * own)
            tilt[row] = (fall - rise) / max(fall + rise + 2.0 * own, 1e-12)
            if not bounded and (row == begin or row == end - 1):
                tilt[row] = _END if row == begin else -_END
            if end - begin == 1:
                tilt[row] = 0.0
    return tilt


@njit(cache=True, nogil=True)
def _score(starts, low, high, upto, which, at, scores):
    for i in range(at.size):
        if which[i] < 0:
            scores[i] = np.nan
            continue
        begin, end = starts[which[i]], starts[which[i] + 1]
        row = begin
        while row < end - 1 and at[i] > high[row]:
            row += 1
        below = upto[row - 1] if row > begin else 0.0
        share = upto[row] - below
        width = high[row] - low[row] + 1
        if width == 1:
            a = norm_pdf(norm_ppf(below)) if below > 0.0 else 0.0
            b = norm_pdf(norm_ppf(upto[row])) if upto[row] < 1.0 else 0.0
            scores[i] = (a - b) / share
        else:
            inside = min(max((at[i] - low[row] + 0.5) / width, 0.02), 0.98)
            scores[i] = norm_ppf(below + share * inside)
