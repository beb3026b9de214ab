"""A person's days with one item, put in order: how many, the first, and the one that represents him."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..counting import Ints, chosen

_SOME, _GAP, _OTHER = 1, 2, 3  # what is chosen, so that the choices do not hang together


@dataclass(frozen=True)
class Series:
    """One entry for each person and item that he has; sorted by person, then item.

    ``start`` points into ``day``, the days sorted by person, item and day; ``count`` of them are the entry's.
    """

    offsets: Ints  # persons + 1, into the entries
    person: Ints
    item: Ints
    start: Ints
    count: Ints
    day: Ints
    source: Ints  # of each day: its place in the arrays that the series were made of
    name: Ints  # of each entry's item: what all sites call it

    @classmethod
    def of(
        cls,
        offsets: NDArray[np.integer],
        item: NDArray[np.integer],
        day: NDArray[np.integer],
        names: Ints | None = None,
    ) -> Series:
        """Sort the records of persons into series. ``offsets`` (persons + 1) delimits the persons.

        ``names`` are what all sites call the items, where their numbers are a site's own.
        """
        persons = len(offsets) - 1
        person = np.repeat(np.arange(persons), np.diff(offsets))
        order = np.lexsort((day, item, person))
        sorted_person, sorted_item = person[order], np.asarray(item, np.int64)[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = (sorted_person[1:] != sorted_person[:-1]) | (sorted_item[1:] != sorted_item[:-1])
        start = np.flatnonzero(is_first)
        return cls(
            offsets=np.searchsorted(sorted_person[start], np.arange(persons + 1)),
            person=sorted_person[start],
            item=sorted_item[start],
            start=start,
            count=np.diff(np.append(start, len(order))),
            day=np.asarray(day, np.int64)[order],
            source=order,
            name=sorted_item[start] if names is None else names[sorted_item[start]],
        )

    @property
    def first(self) -> Ints:
        """The first day of each entry."""
        return self.day[self.start]

    @property
    def last(self) -> Ints:
        """The last day of each entry."""
        return self.day[self.start + self.count - 1]

    def _chosen(self, among: Ints, what: int) -> Ints:
        purpose = np.full(len(self.item), what)
        return chosen(among, purpose, self.name, self.count, self.first, self.last)

    @property
    def some(self) -> Ints:
        """The place in ``day`` of the one day of each entry that represents it."""
        return self.start + self._chosen(self.count, _SOME)

    def neighbours(self) -> tuple[Ints, Ints]:
        """For entries of two days or more: which they are, and the place of the first of two chosen neighbours."""
        entries = np.flatnonzero(self.count > 1)
        return entries, self.start[entries] + self._chosen(np.maximum(self.count - 1, 1), _GAP)[entries]

    def gaps(self) -> tuple[Ints, Ints]:
        """For entries of two days or more: which they are, and the days between two neighbours that are chosen."""
        entries, at = self.neighbours()
        return entries, self.day[at + 1] - self.day[at]

    def distances(self) -> tuple[Ints, Ints]:
        """For entries of two days or more: which they are, and the days between any two that are chosen."""
        entries = np.flatnonzero(self.count > 1)
        one = self._chosen(self.count, _SOME)[entries]
        other = self._chosen(np.maximum(self.count - 1, 1), _OTHER)[entries]
        other += other >= one
        start = self.start[entries]
        return entries, np.abs(self.day[start + one] - self.day[start + other])
