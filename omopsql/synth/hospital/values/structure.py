"""What the first round's released sums decide: series, strata, who follows whom, which histogram serves which cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..lives import Doubles, Int64s
from ..sums import Sums
from .first_round import ANY, NO_CARE
from .frequency import PARTS, frequencies
from .histograms import Histograms
from .stays import GROUPS, Records, Stays

ENOUGH = 40  # persons of a histogram before a finer one replaces a coarser
JOINED = 64  # series whose summaries and paths are correlated: the most frequent ones
MOMENTS = 0.5  # share of a series' moments that its parent must have
COUNTS = 0.5  # share of persons whose counts go with those of the parent
SUMMARIES = ("mean", "change", "spread")


@dataclass(frozen=True)
class Structure:
    """The released margins of stays, and what follows from them."""

    margins: Sums
    hashes: Int64s  # the series of stays, the most frequent first

    @classmethod
    def of(cls, margins: Sums, hashes: Int64s) -> Structure:
        """Order the series of stays by their persons."""
        keys, n = margins.get("values.both", 2)
        own = (keys[:, 0] == keys[:, 1]) & np.isin(keys[:, 0], hashes)
        return cls(margins, keys[own, 0][np.lexsort((keys[own, 0], -n[own]))])

    @cached_property
    def place(self) -> dict[int, int]:
        """The place of each series."""
        return {series: place for place, series in enumerate(self.hashes.tolist())}

    @property
    def joined(self) -> int:
        """How many series are correlated."""
        return min(len(self.hashes), JOINED)

    @cached_property
    def strata(self) -> tuple[Int64s, Int64s]:
        """Strata (care, died), from fine to coarse, and the persons of each. The last is everyone."""
        keys, n = self.margins.get("values.stays", 2)
        order = np.lexsort((keys[:, 0], keys[:, 1], keys[:, 0] == NO_CARE, keys[:, 1] == ANY))
        return keys[order], n[order]

    def stratum_of(self, stays: Stays) -> Int64s:
        """The finest stratum of each stay."""
        keys, _ = self.strata
        number = {tuple(key): stratum for stratum, key in enumerate(keys.tolist())}
        pairs, place = np.unique(np.column_stack([stays.care, stays.died]), axis=0, return_inverse=True)
        last = len(keys) - 1
        found = [number.get((care, died), number.get((NO_CARE, died), last)) for care, died in pairs.tolist()]
        return np.array(found, np.int64)[place.reshape(-1)]

    def coarser(self, stratum: int) -> list[tuple[int, int]]:
        """A stratum and what contains it."""
        care, died = self.strata[0][stratum].tolist()
        return [(care, died), (NO_CARE, died), (NO_CARE, ANY)]

    @cached_property
    def counts(self) -> Histograms:
        """How often each series is measured in a stay, by stratum and series, in parts of a person."""
        strata = zip(*(part.tolist() for part in self.strata), strict=True)
        return frequencies(self.margins, {(care, died): persons for (care, died), persons in strata})

    @cached_property
    def count_of(self) -> Int64s:
        """The histogram of counts for each stratum and series."""
        hashes = self.hashes.tolist()

        def keys(stratum: int, series: int) -> list[tuple[int, ...]]:
            return [(*key, hashes[series]) for key in self.coarser(stratum)]

        return self.counts.table((len(self.strata[0]), len(hashes)), keys, ENOUGH * PARTS)

    @cached_property
    def alone(self) -> Doubles:
        """The share of each stratum's persons whom no finer one holds: of all but the finest, those of rare kinds."""
        keys, n = self.strata
        held = np.zeros(len(keys), np.int64)
        for coarse, (care, died) in enumerate(keys.tolist()):
            if care == NO_CARE:
                finer = (
                    (keys[:, 0] == NO_CARE) & (keys[:, 1] != ANY)
                    if died == ANY
                    else ((keys[:, 0] != NO_CARE) & (keys[:, 1] == died))
                )
                held[coarse] = n[finer].sum()
        return np.asarray(1.0 - np.minimum(held, n) / np.maximum(n, 1))

    @property
    def strangers(self) -> Doubles:
        """The persons of each stratum whom no finer one holds."""
        return np.asarray(self.alone * self.strata[1])

    @cached_property
    def summaries(self) -> dict[str, tuple[Histograms, Int64s]]:
        """The histograms of each summary, and which serves each series, steadiness and group of counts."""
        hashes = self.hashes.tolist()
        found = {}
        for name, width in (("mean", 3), ("change", 2), ("spread", 2)):
            histograms = Histograms.released(self.margins, f"values.{name}", width)

            def keys(series: int, steady: int, group: int, width: int = width) -> list[tuple[int, ...]]:
                if width == 2:
                    return [(hashes[series], at) for at in near(GROUPS, group)]
                return [(hashes[series], kind, at) for kind in (steady, 1 - steady) for at in near(GROUPS, group)]

            found[name] = histograms, histograms.table((len(hashes), 2, GROUPS), keys, ENOUGH)
        return found

    @cached_property
    def levels(self) -> tuple[Histograms, Int64s]:
        """The histograms of means in all groups, and which serves each series."""
        histograms = Histograms.released(self.margins, "values.level", 2)
        return histograms, histograms.table((len(self.hashes),), lambda k: [(int(self.hashes[k]), 0)], 1)

    @cached_property
    def values(self) -> Histograms:
        """The released values of each series, with the extremes beyond those that represent a person.

        ``n`` is about the number of records: each person's are as many as usual, but an extreme is one.
        """
        found = [(*row, 1) for name in ("lowest", "highest") for row in self._extremes(name)]
        keys, n = self.margins.get("values.value", 3)
        usual = self.records / np.maximum(self.persons, 1)
        for (series, low, high), persons in zip(keys.tolist(), n.tolist(), strict=True):
            if series in self.place:
                found.append((series, low, high, persons, usual[self.place[series]]))
        rows = np.array([(*bin_, max(round(persons * each), 1)) for *bin_, persons, each in sorted(found)], np.int64)
        rows = rows.reshape(-1, 4)
        return Histograms.of(rows[:, :1], rows[:, 1], rows[:, 2], rows[:, 3])

    def _extremes(self, name: str) -> list[tuple[int, int, int, int]]:
        """The bins of the lowest or highest values, with their persons, that lie beyond all released values."""
        keys, _ = self.margins.get("values.value", 3)
        reach: dict[int, tuple[int, int]] = {}
        for series, low, high in keys.tolist():
            first, last = reach.get(series, (low, high))
            reach[series] = min(first, low), max(last, high)
        beyond = []
        keys, n = self.margins.get(f"values.{name}", 3)
        for (series, low, high), persons in zip(keys.tolist(), n.tolist(), strict=True):
            first, last = reach.get(series, (low, high))
            bin_ = (low, min(high, first - 1)) if name == "lowest" else (max(low, last + 1), high)
            if series in self.place and bin_[0] <= bin_[1]:
                beyond.append((series, *bin_, persons))
        return beyond

    @cached_property
    def persons(self) -> Int64s:
        """How many persons have each series."""
        return np.diagonal(self.pairs("values.both"))

    @cached_property
    def records(self) -> Int64s:
        """About how many records each series has."""
        keys, n = self.margins.get("values.count", 5)
        found = np.zeros(len(self.hashes))
        for (care, died, series, low, high), persons in zip(keys.tolist(), n.tolist(), strict=True):
            if (care, died) == (NO_CARE, ANY) and series in self.place:
                found[self.place[series]] += persons * (low + high) / 2
        return np.maximum(found, self.persons).astype(np.int64)

    @cached_property
    def value_of(self) -> Int64s:
        """The histogram of values of each series."""
        return np.array([self.values.number.get((series,), -1) for series in self.hashes.tolist()], np.int64)

    def pairs(self, name: str) -> np.ndarray:
        """A released table of pairs as a matrix (series, series)."""
        matrix = np.zeros((len(self.hashes),) * 2, np.int64)
        keys, n = self.margins.get(name, 2)
        for (first, second), persons in zip(keys.tolist(), n.tolist(), strict=True):
            if first in self.place and second in self.place:
                matrix[self.place[first], self.place[second]] = persons
        return matrix

    @cached_property
    def time_order(self) -> Int64s:
        """The order in which series get their moments: those with the most records first."""
        return np.argsort(-self.records, kind="stable")

    @cached_property
    def moment_parent(self) -> Int64s:
        """The series at whose moments each series is measured, -1 for none."""
        return _parents(self.pairs("values.together"), self.time_order, MOMENTS)

    @cached_property
    def count_parent(self) -> Int64s:
        """The series whose count that of each series goes with, -1 for none."""
        return _parents(self.pairs("values.alike"), self.time_order, COUNTS)

    def own(self, records: Records) -> Records:
        """The records of the released series, renumbered by their place."""
        place = np.array([self.place.get(series, -1) for series in records.hashes.tolist()], np.int32)
        series = place[records.series] if len(records) else records.series
        kept = np.flatnonzero(series >= 0)
        order = kept[np.lexsort((records.value[kept], records.minute[kept], series[kept], records.stay[kept]))]
        return Records(self.hashes, records.stay[order], series[order], records.minute[order], records.value[order])


def near(number: int, to: int) -> list[int]:
    """The numbers below ``number``, the nearest to ``to`` first."""
    return sorted(range(number), key=lambda at: (abs(at - to), at))


def _parents(pairs: np.ndarray, order: Int64s, least: float) -> Int64s:
    """For each series the earlier one that most of its persons share, if ``least`` of them do."""
    parents = np.full(len(pairs), -1, np.int64)
    for at, series in enumerate(order.tolist()):
        earlier = order[:at]
        own = pairs[series, series]
        if at and own > 0:
            share = pairs[series, earlier] / own
            best = int(np.argmax(share))
            parents[series] = earlier[best] if share[best] >= least else -1
    return parents
