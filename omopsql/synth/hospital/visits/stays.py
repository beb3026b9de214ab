"""The visits of real people, as counting asks for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omopsql.udfs import visits as kernel

from ..lives import Int64s
from ..reading import longs

_CONTACTS, _DAYS = 1 << 30, 1 << 20


class Stays:
    """The visits of people: the length of each, its concept, and the days on which any begins."""

    def __init__(self, person: Int64s, contact: Int64s, day: Int64s, days: Int64s, concept: Int64s) -> None:
        order = np.lexsort((contact, person))
        self._keys = (person * _CONTACTS + contact)[order]
        self._days, self._concept, self._start = days[order], concept[order], day[order]
        self._begun = np.unique(person * _DAYS + day)

    @classmethod
    def of(cls, rows: pa.Table | None) -> Stays:
        """Read the rows of visit_occurrence, if there are any."""
        if rows is None:
            empty = np.zeros(0, np.int64)
            return cls(empty, empty, empty, empty, empty)
        person, contact, day = (whole(rows[name]) for name in ("person", "contact", "day"))
        kept = contact >= 0
        return cls(person[kept], contact[kept], day[kept], stay_days(rows)[kept], whole(rows["concept_id"])[kept])

    def found(self, person: Int64s, contact: Int64s) -> Int64s:
        """The place of each contact, -1 without one."""
        if not len(self._keys):
            return np.full(len(person), -1, np.int64)
        keys = person * _CONTACTS + contact
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where((contact >= 0) & (self._keys[place] == keys), place, -1)

    def days(self, place: Int64s) -> Int64s:
        """The length of each visit, 0 without one."""
        return np.append(self._days, 0)[place]

    def concepts(self, place: Int64s) -> Int64s:
        """The concept of each visit; without one, that it is outside of any."""
        return np.append(self._concept, kernel.OUTSIDE)[place]

    def starts(self, place: Int64s) -> Int64s:
        """The first day of each visit, 0 without one."""
        return np.append(self._start, 0)[place]

    def begin_on(self, person: Int64s, day: Int64s) -> npt.NDArray[np.bool_]:
        """Whether a visit of the person begins on a day."""
        return np.isin(person * _DAYS + day, self._begun)


def stay_days(rows: pa.Table) -> Int64s:
    """Return the length of each visit, 0 where its end is missing."""
    first, last = day_of(rows["visit_start_date"]), day_of(rows["visit_end_date"])
    return np.maximum(np.where(last < 0, 0, last - first), 0)


def whole(column: pa.ChunkedArray) -> Int64s:
    """Return whole numbers, -1 where one is missing."""
    return longs(column, -1)


def day_of(column: pa.ChunkedArray) -> Int64s:
    """Days since 1970-01-01; a missing date is far back."""
    return longs(column.cast(pa.date32()).cast(pa.int32()), -(1 << 30))
