"""What the first round's released sums decide: series, strata, who follows whom, which histogram serves which cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..lives import Int64s
from ..sums import Sums
from .first_round import ANY, NO_CARE
from .histograms import Histograms
from .stays import BANDS, Records, Stays

ENOUGH = 40  # persons of a histogram before a finer one replaces a coarser
JOINED = 64  # series whose summaries and paths are correlated: the most frequent ones
MOMENTS = 0.5  # share of a series' moments that its parent must have
COUNTS = 0.5  # share of persons whose counts go with those of the parent
SUMMARIES = ("mean", "trend", "spread")


@dataclass(frozen=True)
class Structure:
    """The released margins of stays, and what follows from them."""

    margins: Sums
    hashes: Int64s  # the series of stays, the most frequent first

    @classmethod
    def of(cls, margins: Sums, hashes: Int64s) -> Structure:
        """Order the series of stays by their persons."""
        keys, n = margins.get("values.both", 4)
        own = (keys[:, 0] == keys[:, 1]) & (keys[:, 2] == 1) & (keys[:, 3] == 1) & np.isin(keys[:, 0], hashes)
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
        """How often each series is measured in a stay, by stratum and series, with those who never have it."""
        keys, n = self.margins.get("values.count", 5)
        everyone = {tuple(key): persons for key, persons in zip(*(part.tolist() for part in self.strata), strict=True)}
        heads, ever = self.margins.get("values.ever", 3)
        never = np.array([everyone.get((care, died), 0) for care, died, _ in heads.tolist()], np.int64) - ever
        zeros = np.column_stack([heads, np.zeros((len(heads), 2), np.int64)])[never > 0]
        keys, n = np.concatenate([keys, zeros]), np.concatenate([n, never[never > 0]])
        order = np.lexsort(keys.T[::-1])
        return Histograms.of(keys[order, :3], keys[order, 3], keys[order, 4], n[order])

    @cached_property
    def count_of(self) -> Int64s:
        """The histogram of counts for each stratum and series."""
        hashes = self.hashes.tolist()

        def keys(stratum: int, series: int) -> list[tuple[int, ...]]:
            return [(*key, hashes[series]) for key in self.coarser(stratum)]

        return self.counts.table((len(self.strata[0]), len(hashes)), keys, ENOUGH)

    @cached_property
    def summaries(self) -> dict[str, Histograms]:
        """The histograms of each summary, by stratum, series and band of the count."""
        return {name: Histograms.released(self.margins, f"values.{name}", 4) for name in SUMMARIES}

    def summary_of(self, histograms: Histograms) -> Int64s:
        """The histogram of a summary for each stratum, series and band: of near bands where its own is small."""
        hashes = self.hashes.tolist()

        def keys(stratum: int, series: int, band: int) -> list[tuple[int, ...]]:
            near = sorted(range(BANDS), key=lambda at: (abs(at - band), at))
            fine, *coarser = self.coarser(stratum)  # death tells more than the band does
            return [(*fine, hashes[series], band), *((*key, hashes[series], at) for key in coarser for at in near)]

        return histograms.table((len(self.strata[0]), len(hashes), BANDS), keys, ENOUGH)

    @cached_property
    def summary_tables(self) -> dict[str, Int64s]:
        """``summary_of`` each summary."""
        return {name: self.summary_of(self.summaries[name]) for name in SUMMARIES}

    @cached_property
    def values(self) -> Histograms:
        """The released values of each series."""
        return Histograms.released(self.margins, "values.value", 1)

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

    def longer(self, than: int) -> np.ndarray:
        """For each series, whether released counts show persons with more records ``than`` that."""
        keys, _ = self.margins.get("values.count", 5)
        known = (keys[:, 0] == NO_CARE) & (keys[:, 1] == ANY) & (keys[:, 3] > than)
        return np.isin(self.hashes, keys[known, 2])

    @cached_property
    def time_order(self) -> Int64s:
        """The order in which series get their moments: those with the most records first."""
        keys, n = self.margins.get("values.count", 5)
        records = np.zeros(len(self.hashes))
        for (care, died, series, low, high), persons in zip(keys.tolist(), n.tolist(), strict=True):
            if (care, died) == (NO_CARE, ANY) and series in self.place:
                records[self.place[series]] += persons * (low + high) / 2
        return np.argsort(-records, kind="stable")

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
