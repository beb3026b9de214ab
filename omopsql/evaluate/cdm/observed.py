"""Histories with what several measures ask of them, computed once and when it is asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from omopsql.udfs.company import pairs_of_days
from omopsql.udfs.sequences import same_day, transitions

from .histories import YEAR, Bools, Doubles, Histories, Ints


class Observed:
    """Histories of which the first ``items`` items are looked at; all by default that there are."""

    def __init__(self, histories: Histories, items: int) -> None:
        is_looked_at = histories.item < items
        self.histories = histories if is_looked_at.all() else histories.kept(is_looked_at)
        self.items, self.persons = items, histories.persons

    @cached_property
    def counts(self) -> npt.NDArray[np.int32]:
        """Records of each person by item, int32[persons, items]."""
        return self.histories.counts(self.items)

    @cached_property
    def ever(self) -> Bools:
        """Whether a person has an item, bool[persons, items]."""
        return self.counts > 0

    @cached_property
    def prevalence(self) -> Doubles:
        """Share of persons who have each item."""
        share: Doubles = self.ever.mean(axis=0)
        return share

    @cached_property
    def first_days(self) -> Doubles:
        """The first day of each item, float64[persons, items]; NaN: never."""
        return self.histories.first_days(self.items)

    @cached_property
    def same_day(self) -> Ints:
        """Pairs of records on one day, int64[items, items]."""
        counted: Ints = same_day(self.histories.offsets, self.histories.item, self.histories.t, self.items)
        return counted

    @cached_property
    def met(self) -> Ints:
        """Persons in whom two items ever meet on one day, int64[items, items]."""
        counted = pairs_of_days(self.histories.offsets, self.histories.item, self.histories.t, self.items)
        return np.asarray(counted, np.int64)

    def followed(self, days: int) -> tuple[Ints, Ints]:
        """What follows what within so many days: records, and persons in whom the first record is; [items, items]."""
        h = self.histories
        records, persons = transitions(h.offsets, h.item, h.t, self.items, days)
        return records, persons

    def bands(self, ages: tuple[int, ...]) -> Ints:
        """Age band of each person at the end of observation."""
        return np.digitize(self.histories.people.len / YEAR, ages).astype(np.int64)

    def taken(self, persons: int, seed: int) -> Observed:
        """So many of the persons, drawn at random; all when there are no more."""
        if persons >= self.persons:
            return self
        chosen = np.random.default_rng(seed).choice(self.persons, persons, replace=False)
        return Observed(self.histories.taken(np.sort(chosen)), self.items)
