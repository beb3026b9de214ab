"""Lives as arrays: what the layers of a synthetic hospital hand to each other, and what its tables are written from.

Days are counted from birth. What belongs to person p of a batch stands at ``offsets[p]`` to ``offsets[p + 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

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
class Periods:
    """The observation periods of people: first and last day of each, in order, one or more a person.

    The first begins with the person's observation and the last ends with it. Days of observation are counted as if the
    days between two periods were not there.
    """

    offsets: Int64s
    start: Int32s
    end: Int32s

    @classmethod
    def whole(cls, people: People) -> Periods:
        """One period for each person."""
        return cls(np.arange(len(people) + 1), people.start, people.end)

    @cached_property
    def are_single(self) -> bool:
        """Whether nobody has two."""
        return len(self.start) == len(self.offsets) - 1

    @cached_property
    def _passed(self) -> Int64s:
        """The days without observation before each period."""
        opens = self.offsets[:-1]
        between = np.zeros(len(self.start), np.int64)
        between[1:] = self.start[1:].astype(np.int64) - self.end[:-1] - 1
        between[opens] = 0
        passed: Int64s = np.cumsum(between)
        return passed - passed[opens][owners(self.offsets)]

    def people(self, people: People) -> People:
        """The people as if they were observed without a break."""
        if self.are_single:
            return people
        passed = self._passed[self.offsets[1:] - 1]
        death = np.where(people.death >= 0, people.death - passed, -1)
        return replace(people, end=(people.end - passed).astype(np.int32), death=death.astype(np.int32))

    def folded(self, events: Events) -> Events:
        """The events of a real CDM on days of observation; one between two periods is on the last day before it."""
        if self.are_single:
            return events
        person = owners(events.offsets)
        at = self._at(person, events.day, self.start)
        day = np.minimum(events.day, self.end[at]) - self._passed[at]
        order = np.lexsort((events.item, day, person))
        person, day, item = person[order], day[order], events.item[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (person[1:] != person[:-1]) | (day[1:] != day[:-1]) | (item[1:] != item[:-1])
        kept = order[is_first]
        offsets = offsets_of(person[is_first], len(self.offsets) - 1)
        return replace(
            events, offsets=offsets, item=item[is_first], day=day[is_first].astype(np.int32), row=events.row[kept]
        )

    def unfolded(self, events: Events) -> Events:
        """Synthetic events, made on days of observation, on the days from birth that these are."""
        if self.are_single:
            return events
        at = self._at(owners(events.offsets), events.day, self.start - self._passed)
        return replace(events, day=(events.day + self._passed[at]).astype(np.int32))

    def last_day(self, person: npt.NDArray[np.integer], day: npt.NDArray[np.integer]) -> Int32s:
        """The last day of the period that each day of a person lies in, or comes after."""
        return self.end[person] if self.are_single else self.end[self._at(person, day, self.start)]

    def is_last(self, person: npt.NDArray[np.integer], day: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Whether no other period follows after each day of a person."""
        if self.are_single:
            return np.ones(len(person), np.bool_)
        return self._at(person, day, self.start) == self.offsets[1:][person] - 1

    def _at(
        self, person: npt.NDArray[np.integer], day: npt.NDArray[np.integer], starts: npt.NDArray[np.integer]
    ) -> Int64s:
        """The last period of each person that has begun by a day, else the first; ``starts`` is where each begins."""
        begins = (owners(self.offsets) << _DAY_BITS) + starts
        wanted = (np.asarray(person, np.int64) << _DAY_BITS) + day
        return np.maximum(np.searchsorted(begins, wanted, side="right") - 1, self.offsets[person])


_DAY_BITS = 32


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
    periods: Periods | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def observed(self) -> Periods:
        """When the persons are observed: in one period each where nothing else is known."""
        return Periods.whole(self.people) if self.periods is None else self.periods


def owners(offsets: Int64s) -> Int64s:
    """The person that each element belongs to, in the order of the elements."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def offsets_of(person: npt.NDArray[np.integer], persons: int) -> Int64s:
    """Where each person's elements begin, given the person of each, rising."""
    return np.searchsorted(person, np.arange(persons + 1)).astype(np.int64)


def is_last_of(person: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Whether each element is the last of its person, given the person of each, rising."""
    return np.append(person[1:] != person[:-1], True)[: len(person)]


def need_persons(persons: int, least: int, name: str) -> None:
    """Raise OmopsqlError when a CDM has fewer persons than ``least``: no statistic of them may be released."""
    if persons < least:
        what = "no persons" if persons == 0 else f"{persons} person{'s' * (persons > 1)}"
        raise OmopsqlError(
            f"{name} has {what} to learn from; a model needs {least} or more, since no statistic of fewer is released"
        )
