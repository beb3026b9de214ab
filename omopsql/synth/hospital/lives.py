"""Lives as arrays: what the layers of a synthetic hospital hand to each other, and what its tables are written from.

Days are counted from birth. What belongs to person p of a batch stands at ``offsets[p]`` to ``offsets[p + 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omopsql.errors import OmopsqlError

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class People:
    """Persons, one each. ``sex``, ``race`` and ``ethnicity`` are concepts; ``birth`` is in days since 1970-01-01.

    ``start`` and ``end`` are the first and the last day of observation; ``death`` is the day of death, -1 without one.
    """

    sex: Int64s
    race: Int64s
    ethnicity: Int64s
    birth: Int32s
    start: Int32s
    end: Int32s
    death: Int32s

    def __len__(self) -> int:
        return len(self.sex)


@dataclass(frozen=True)
class Events:
    """One event for each person, contact day and item, in this order; ``item`` counts through the plan's items.

    Of a real CDM, ``row`` leads to the first of the event's records in ``Site.rows`` of its table. Of synthetic
    people, ``episode`` numbers what belongs together in a person. The other is empty.
    """

    offsets: Int64s
    item: Int32s
    day: Int32s
    row: Int64s
    episode: Int32s

    def __len__(self) -> int:
        return len(self.item)

    @classmethod
    def generated(cls, offsets: Int64s, item: Int32s, day: Int32s, episode: Int32s) -> Events:
        """Events of synthetic people."""
        return cls(offsets, item, day, np.zeros(0, np.int64), episode)


@dataclass(frozen=True)
class Visits:
    """Visits of synthetic people: their item, first and last day, minute of the day of both (-1: none is told).

    For each event, ``of_event`` is the visit (its ordinal in the person, -1 without one); ``offset`` are the days from
    the start of the contact to the event's own date.
    """

    offsets: Int64s
    item: Int32s
    start: Int32s
    end: Int32s
    start_minute: Int32s
    end_minute: Int32s
    of_event: Int32s
    offset: Int32s

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True)
class Values:
    """Values of measurements of synthetic people.

    ``event`` is the event that has the value (its ordinal in the person), or -1 where the values' layer made the time
    too: then ``visit`` (ordinal in the person, -1: none) and ``minute`` since its start tell when.
    """

    offsets: Int64s
    item: Int32s
    event: Int32s
    visit: Int32s
    minute: Int32s
    value: Doubles

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True)
class Lives:
    """A batch of synthetic persons, by their numbers, with all that befell them. A layer that is absent left None."""

    numbers: Int64s
    people: People
    events: Events | None = None
    visits: Visits | None = None
    values: Values | None = None

    def __len__(self) -> int:
        return len(self.numbers)


def owners(offsets: Int64s) -> Int64s:
    """The person that each element belongs to, in the order of the elements."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def offsets_of(person: npt.NDArray[np.integer], persons: int) -> Int64s:
    """Where each person's elements begin, given the person of each, rising."""
    return np.searchsorted(person, np.arange(persons + 1)).astype(np.int64)


def need_persons(persons: int, least: int, name: str) -> None:
    """Raise OmopsqlError when a CDM has fewer persons than ``least``: no statistic of them may be released."""
    if persons < least:
        what = "no persons" if persons == 0 else f"{persons} person{'s' * (persons > 1)}"
        raise OmopsqlError(
            f"{name} has {what} to learn from; a model needs {least} or more, since no statistic of fewer is released"
        )
