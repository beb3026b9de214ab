"""Which records a table has: those of the events, and those whose times come with their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..columns import DAY, keys, within
from ..lives import Doubles, Events, Int32s, Int64s, Lives, Values, Visits, offsets_of, owners
from ..plan import TABLE_NUMBERS
from ..values import SeriesValues

if TYPE_CHECKING:
    from ..generate import Hospital


@dataclass(frozen=True)
class Rows:
    """The records of one table by person: item, day since birth, visit (-1: none), minute (-1: to be drawn), value.

    ``series`` tells what the value is of, -1 without one.
    """

    offsets: Int64s
    item: Int32s
    day: Int32s
    visit: Int32s
    minute: Int32s
    value: Doubles
    series: Int32s


def rows_of(name: str, lives: Lives, hospital: Hospital) -> Rows:
    """Return the records of one table of some lives."""
    events, visits, values = lives.events, lives.visits, lives.values
    assert events is not None and visits is not None
    placed = np.flatnonzero(hospital.items.table[events.item] == TABLE_NUMBERS[name])
    person = np.searchsorted(events.offsets, placed, side="right") - 1
    rows = (
        person,
        events.item[placed],
        events.day[placed] + visits.offset[placed],
        visits.of_event[placed],
        np.full(len(placed), -1, np.int32),
        *_values_of_events(events, values, placed),
    )
    if values is not None:
        rows = _with_dense(name, rows, values, lives, visits, hospital)
    person, item, day, visit, minute, value, series = rows
    return Rows(offsets_of(person, len(lives)), item, day.astype(np.int32), visit, minute, value, series)


def keyed(name: str, lives: Lives, hospital: Hospital) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """Return the person, item, day since birth and key of each record of one table, by person. Visits are records."""
    if name == "visit_occurrence":
        assert lives.visits is not None
        found = lives.visits.offsets, lives.visits.item, lives.visits.start
    else:
        rows = rows_of(name, lives, hospital)
        found = rows.offsets, rows.item, rows.day
    offsets, item, day = found
    person = owners(offsets)
    return person, item.astype(np.int64), day.astype(np.int64), keys(lives.numbers[person], within(offsets))


def _values_of_events(events: Events, values: Values | None, placed: Int64s) -> tuple[Doubles, Int32s]:
    """The value of each of the placed events, NaN without one, and its series."""
    value, series = np.full(len(events), np.nan), np.full(len(events), -1, np.int32)
    if values is not None:
        sparse = values.event >= 0
        place = events.offsets[owners(values.offsets)[sparse]] + values.event[sparse]
        value[place], series[place] = values.value[sparse], _series_of(values)[sparse]
    return value[placed], series[placed]


def _series_of(values: Values) -> Int32s:
    return values.series if isinstance(values, SeriesValues) else np.full(len(values), -1, np.int32)


def _with_dense(
    name: str, rows: tuple[Any, ...], values: Values, lives: Lives, visits: Visits, hospital: Hospital
) -> tuple[Any, ...]:
    """Add the records whose times come with their values, after each person's others."""
    dense = np.flatnonzero((values.event < 0) & (hospital.items.table[values.item] == TABLE_NUMBERS[name]))
    if not len(dense):
        return rows
    person = owners(values.offsets)[dense]
    visit, minute = values.visit[dense], values.minute[dense].astype(np.int64)
    place = np.where(visit >= 0, visits.offsets[person] + visit, 0)
    start = np.where(visit >= 0, visits.start[place], lives.people.start[person])
    opening = np.where(visit >= 0, np.maximum(visits.start_minute[place], 0), 0)
    moment = opening + minute
    last = lives.observed.last_day(person, start)
    day = np.minimum(start + moment // DAY, last)
    minute = (moment % DAY).astype(np.int32)
    added = (person, values.item[dense], day, visit, minute, values.value[dense], _series_of(values)[dense])
    joined = [np.concatenate([own, more]) for own, more in zip(rows, added, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return tuple(column[order] for column in joined)
