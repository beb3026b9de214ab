"""Released histograms to draw from: one for each cell of a key, and coarser ones where a cell is missing or thin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .lives import Doubles, Int64s
from .sums import Sums, group_starts

Bools = npt.NDArray[np.bool_]
Rungs = Mapping[str, tuple[int, ...]]  # names of statistics, the finest first, and the columns of a cell that each has
PERSONS_A_RUNG = 3  # a rung is trusted with so many times min_cell persons


@dataclass(frozen=True)
class Lookup:
    """Where a key stands among known ones: the distinct values of each column, and the keys as single numbers."""

    values: tuple[Int64s, ...]
    codes: Int64s

    @classmethod
    def of(cls, known: Int64s) -> Lookup:
        """Read distinct keys (keys, width)."""
        values = tuple(np.unique(column) for column in known.T)
        return cls(values, _code(values, known)[0])

    def find(self, keys: Int64s, places: Int64s) -> Int64s:
        """The place of each key (rows, width), given those of the known keys; -1 for an unknown one."""
        if not len(self.codes):
            return np.full(len(keys), -1, np.int64)
        code, is_known = _code(self.values, keys)
        order = np.argsort(self.codes)
        at = np.minimum(np.searchsorted(self.codes[order], code), len(order) - 1)
        return np.where(is_known & (self.codes[order][at] == code), places[order][at], -1)


def _code(values: tuple[Int64s, ...], keys: Int64s) -> tuple[Int64s, Bools]:
    """Each key as one number, and whether all its values are known."""
    code, is_known = np.zeros(len(keys), np.int64), np.ones(len(keys), np.bool_)
    for known, column in zip(values, keys.T, strict=True):
        at = np.minimum(np.searchsorted(known, column), len(known) - 1)
        is_known &= known[at] == column
        code = code * len(known) + at
    return code, is_known


@dataclass(frozen=True)
class Histograms:
    """Histograms on joined bins, one for each cell.

    ``cells`` (cells, width) are their keys, sorted. The bins of cell c stand at ``starts[c]`` to ``starts[c + 1]``;
    bin i holds the whole numbers ``low[i]`` to ``high[i]``, and ``below[i]`` is c plus the share of the cell below it.
    """

    cells: Int64s
    starts: Int64s
    low: Int64s
    high: Int64s
    n: Int64s
    below: Doubles

    @classmethod
    def of(cls, sums: Sums, statistic: str, width: int) -> Histograms:
        """Read a released pooled statistic; ``width`` is that of its cells' keys, without the two numbers of a bin."""
        keys, n = sums.get(statistic, width + 2)
        starts = group_starts(list(keys[:, :width].T), len(n))
        ends = np.append(starts[1:], len(n)).astype(np.int64)
        sizes = ends - starts
        totals = np.add.reduceat(n, starts) if len(n) else n
        before = np.cumsum(n) - n
        share = (before - np.repeat(before[starts], sizes)) / np.repeat(np.maximum(totals, 1), sizes)
        below = np.repeat(np.arange(len(starts)), sizes) + share
        return cls(keys[starts, :width], np.append(starts, len(n)), keys[:, width], keys[:, width + 1], n, below)

    @property
    def totals(self) -> Int64s:
        """The persons of each cell."""
        return np.add.reduceat(self.n, self.starts[:-1]) if len(self.n) else self.n

    @property
    def spread(self) -> float:
        """How far apart the values of a cell are: the entropy of what is drawn from it."""
        if not len(self.n):
            return np.inf
        density = self.n / np.repeat(self.totals, np.diff(self.starts)) / (self.high - self.low + 1)
        return float(-(self.n * np.log(density)).sum() / self.n.sum())

    def only(self, column: int, value: int) -> Histograms:
        """The cells whose key has this value in a column."""
        kept = np.flatnonzero(self.cells[:, column] == value)
        sizes = np.diff(self.starts)
        rows = np.isin(np.repeat(np.arange(len(self.cells)), sizes), kept)
        below = self.below[rows] - np.repeat(kept - np.arange(len(kept)), sizes[kept])
        starts = np.concatenate([[0], np.cumsum(sizes[kept])])
        return Histograms(self.cells[kept], starts, self.low[rows], self.high[rows], self.n[rows], below)

    def find(self, keys: Int64s, least: int = 1) -> Int64s:
        """The cell of each key (rows, width), -1 where there is none or it holds fewer than ``least`` persons."""
        return Lookup.of(self.cells[self.totals >= least]).find(keys, np.flatnonzero(self.totals >= least))

    def bin_of(self, cell: Int64s, u: Doubles, least: Int64s | None = None) -> Int64s:
        """Choose a bin of each cell (0 or more) by a uniform number: one that reaches ``least``, if any does."""
        if least is not None:
            share = self.share_below(cell, least)
            u = share + u * (1.0 - share)
        return np.searchsorted(self.below, cell + np.minimum(u, _LARGEST), side="right") - 1

    def value_in(self, cell: Int64s, u: Doubles, low: Int64s, high: Int64s) -> Int64s:
        """Draw a value of each cell between ``low`` and ``high``; where the cell has none, any is as likely."""
        first, last = self.share_below(cell, low), self.share_below(cell, high + 1)
        at = np.searchsorted(self.below, cell + np.minimum(first + u * (last - first), _LARGEST), side="right") - 1
        start, after = self.below[at] - cell, np.append(self.below[1:], float(len(self.cells)))[at] - cell
        position = (first + u * (last - first) - start) / np.maximum(after - start, _TINY)
        value = self.low[at] + np.floor(position * (self.high[at] - self.low[at] + 1)).astype(np.int64)
        anywhere = low + np.floor(u * (high - low + 1)).astype(np.int64)
        return np.clip(np.where(last > first, value, anywhere), low, high)

    def share_below(self, cell: Int64s, value: Int64s) -> Doubles:
        """The share of a cell that lies below a value."""
        lowest, highest = self.low.min(initial=0), self.high.max(initial=0) + 1
        held = np.clip(value, lowest, highest) - lowest
        span = highest - lowest + 1
        rising = np.repeat(np.arange(len(self.cells)), np.diff(self.starts)) * span + (self.low - lowest)
        at = np.maximum(np.searchsorted(rising, cell * span + held, side="right") - 1, self.starts[cell])
        after = np.append(self.below[1:], float(len(self.cells)))[at]
        inside = np.clip((value - self.low[at]) / (self.high[at] - self.low[at] + 1), 0.0, 1.0)
        return np.clip(self.below[at] + inside * (after - self.below[at]) - cell, 0.0, 1.0)


_LARGEST, _TINY = 1.0 - 2.0**-40, 2.0**-60


@dataclass(frozen=True)
class Ladder:
    """Histograms of one quantity by ever fewer conditions: the first rung that has enough persons is drawn from.

    ``columns`` says for each rung which columns of the full key it is given.
    """

    rungs: tuple[Histograms, ...]
    columns: tuple[tuple[int, ...], ...]
    least: int

    @classmethod
    def of(cls, released: Sums, rungs: Rungs, least: int) -> Ladder:
        """Read released pooled statistics; rungs of fewer than ``least`` persons are not trusted."""
        held = tuple(Histograms.of(released, name, len(columns)) for name, columns in rungs.items())
        return cls(held, tuple(rungs.values()), least)

    def draw(self, keys: Int64s, u: Doubles, least: Int64s | None = None) -> Int64s:
        """Draw a value for each key by two uniform numbers ``u`` (rows, 2); none below ``least``.

        A bin comes from the rung of the key, and the value inside it from the last rung, whose bins are the finest.
        Where no rung knows the key, the value is 0, or ``least``.
        """
        drawn = np.zeros(len(keys), np.int64) if least is None else least.astype(np.int64)
        waiting = np.arange(len(keys))
        for rung, (histograms, columns) in enumerate(zip(self.rungs, self.columns, strict=True)):
            enough = self.least if rung < len(self.rungs) - 1 else 1
            cell = histograms.find(keys[waiting][:, columns], enough)
            known = cell >= 0
            these, cell = waiting[known], cell[known]
            bound = None if least is None else least[these]
            at = histograms.bin_of(cell, u[these, 0], bound)
            low, high = histograms.low[at], histograms.high[at]
            low = low if bound is None else np.maximum(low, bound)
            drawn[these] = self._refined(keys[these], u[these, 1], low, np.maximum(high, low))
            waiting = waiting[~known]
        return drawn

    def draw_within(self, keys: Int64s, u: Doubles, low: Int64s, high: Int64s) -> Int64s:
        """Draw a value for each key by a uniform number ``u`` (rows), from ``low`` to ``high``.

        The first rung that has enough persons, and any of them there, is drawn from; -1 where none has.
        """
        drawn, waiting = np.full(len(keys), -1, np.int64), np.flatnonzero(low <= high)
        for rung, (histograms, columns) in enumerate(zip(self.rungs, self.columns, strict=True)):
            cell = histograms.find(keys[waiting][:, columns], self.least if rung < len(self.rungs) - 1 else 1)
            these, cell = waiting[cell >= 0], cell[cell >= 0]
            share = histograms.share_below(cell, high[these] + 1) - histograms.share_below(cell, low[these])
            these, cell = these[share > _TINY], cell[share > _TINY]
            drawn[these] = histograms.value_in(cell, u[these], low[these], high[these])
            waiting = np.setdiff1d(waiting, these, assume_unique=True)
        return drawn

    def _refined(self, keys: Int64s, u: Doubles, low: Int64s, high: Int64s) -> Int64s:
        finest = self.rungs[-1]
        cell = finest.find(keys[:, self.columns[-1]])
        value = low + np.floor(u * (high - low + 1)).astype(np.int64)
        known = cell >= 0
        value[known] = finest.value_in(cell[known], u[known], low[known], high[known])
        return value


def bands(histogram: Histograms, most: int) -> Int64s:
    """Cut a histogram (of one cell) between its bins into at most so many bands of about equal persons.

    Returns the first value of each band but the first, rising: the band of a value is how many of them it reaches.
    """
    if most < 2 or len(histogram.n) < 2:
        return np.zeros(0, np.int64)
    gathered = np.cumsum(histogram.n)
    wanted = gathered[-1] * np.arange(1, most) / most
    cuts = np.unique(np.searchsorted(gathered, wanted, side="left") + 1)
    return histogram.low[cuts[cuts < len(histogram.n)]]


def band_of(values: npt.NDArray[np.integer], edges: Int64s) -> Int64s:
    """The band of each value."""
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def shares_of_classes(
    classes: tuple[Int64s, Int64s],
    parts: tuple[Int64s, Int64s],
    bands: tuple[Int64s, Int64s],
    column: int,
    total: float,
) -> Doubles:
    """The share of each class that has something, 0 to 1, given released keys and persons.

    ``classes`` (classes, width) are all persons; ``parts`` are those who have it, by class, and ``bands`` by what
    stands in a column of the class; ``total`` are all who do. Where a class is too small to be released, they are what
    its band leaves, or else what the total leaves.
    """
    keys, persons = classes
    sizes = persons.astype(float)
    known = {tuple(cell): float(n) for cell, n in zip(*(part.tolist() for part in parts), strict=True)}
    found = np.array([known.get(tuple(cell), np.nan) for cell in keys.tolist()])
    for (band,), n in zip(*(part.tolist() for part in bands), strict=True):
        here = keys[:, column] == band
        found[here] = _rest_spread(found[here], n, sizes[here])
    return np.minimum(_rest_spread(found, total, sizes) / np.maximum(sizes, 1.0), 1.0)


def _rest_spread(known: Doubles, total: float, sizes: Doubles) -> Doubles:
    """Complete counts of which some (NaN) were suppressed: what the total leaves, in proportion to the parts' sizes."""
    missing = np.isnan(known)
    left = max(total - np.nansum(known), 0.0)
    weight = sizes * missing
    return np.where(missing, np.minimum(left * weight / max(weight.sum(), 1.0), sizes), known)
