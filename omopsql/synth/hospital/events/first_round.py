"""What is counted of events before anything is decided: days, gaps, and which items meet."""

from __future__ import annotations

import numpy as np

from omopsql.udfs.company import company, pairs_of_days, pairs_of_persons

from ..counting import Ints, chosen, counted
from ..lives import Events, People
from ..plan import TABLE_NUMBERS, Items
from ..release import DROP, POOL
from ..sums import Sums
from .series import Series

YEAR = 365.25
MOST_DAYS = 255
AGES = np.array([1, 3, 6, 12, 18, 40, 65])  # bounds of bands of age by which companions differ
CALENDAR = 5  # years by which companions differ

RULES = {  # an item is known by its table's number and its concept: two numbers of a key
    "events.sex": DROP,
    "events.years": POOL,  # years of observation
    "events.visits": POOL,  # visits of a person
    "events.born": DROP,  # five years of birth
    "events.cohort": POOL,  # item, five years of birth
    "events.days": POOL,  # item, days with it
    "events.gap": POOL,  # item, days between two neighbours
    "events.ever": DROP,  # two items that a person has
    "events.sameday": DROP,  # two items that meet on a day of a person
    "events.company": DROP,  # item, another on the one day of it that represents the person
    "events.age": DROP,  # item, band of age on the one day of it that represents the person
    "events.calendar": DROP,  # item, band of calendar years on that day
    "events.contact": DROP,  # item on the one day of contact that represents the person
}


def first_round(people: People, events: Events, items: Items) -> Sums:
    """Count the first round of a site: see RULES for the statistics and their keys."""
    known = np.column_stack([items.table, items.concept]).astype(np.int64)
    sums = Sums()
    series = Series.of(events.offsets, events.item, events.day, known[:, 0] << 40 | known[:, 1])
    sums.put("events.sex", *counted(people.sex))
    sums.put("events.years", *counted(((people.end - people.start) / YEAR).astype(np.int64)))
    is_visit = items.table == TABLE_NUMBERS["visit_occurrence"]
    sums.put("events.visits", *counted(visits_of(events, is_visit)))
    lustrum = lustrum_of_birth(people)
    sums.put("events.born", *counted(lustrum))
    sums.put("events.cohort", *_known(known, *counted(series.item, lustrum[series.person])))
    sums.put("events.days", *_known(known, *counted(series.item, np.minimum(series.count, MOST_DAYS))))
    entries, gap = series.gaps()
    sums.put("events.gap", *_known(known, *counted(series.item[entries], gap)))
    ever = pairs_of_persons(series.offsets, series.item, len(items))
    sums.put("events.ever", *_pairs(known, np.triu(ever, 1)))
    arrays = (events.offsets, events.item, events.day)
    sums.put("events.sameday", *_pairs(known, np.triu(pairs_of_days(*arrays, len(items)), 1)))
    some = series.day[series.some]
    sums.put("events.company", *_pairs(known, company(*arrays, series.person, series.item, some, len(items))))
    sums.put("events.age", *_known(known, *counted(series.item, age_band(some))))
    sums.put("events.calendar", *_known(known, *counted(series.item, calendar_band(people.birth[series.person], some))))
    sums.put("events.contact", *_known(known, *counted(_one_contact(events))))
    return sums


def visits_of(events: Events, is_visit: np.ndarray) -> Ints:
    """How many visits each person has."""
    person = np.repeat(np.arange(len(events.offsets) - 1), np.diff(events.offsets))
    return np.bincount(person[is_visit[events.item]], minlength=len(events.offsets) - 1).astype(np.int64)


def age_band(day: np.ndarray) -> Ints:
    """The band of age of a day, counted from birth."""
    return np.searchsorted(AGES * YEAR, day, "right").astype(np.int64)


def calendar_band(birth: np.ndarray, day: np.ndarray) -> Ints:
    """The band of calendar years of a day, counted from birth."""
    return np.asarray(np.floor((birth.astype(np.int64) + day) / (YEAR * CALENDAR)), np.int64)


def lustrum_of_birth(people: People) -> Ints:
    """The five years in which each person was born, as 386 for 1930 to 1934."""
    years = people.birth.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return np.asarray(np.floor_divide(years, 5), np.int64)


def _known(known: Ints, keys: Ints, n: Ints) -> tuple[Ints, Ints]:
    """Name the item that a key begins with as all sites do."""
    return np.column_stack([known[keys[:, 0]], keys[:, 1:]]), n


def _pairs(known: Ints, met: np.ndarray) -> tuple[Ints, Ints]:
    """The pairs of items that any person has, and the persons."""
    first, second = np.nonzero(met)
    return np.column_stack([known[first], known[second]]), met[first, second].astype(np.int64)


def _one_contact(events: Events) -> Ints:
    """The items of one day of contact of each person, chosen by a hash of his record."""
    person = np.repeat(np.arange(len(events.offsets) - 1), np.diff(events.offsets))
    is_first = np.ones(len(person), bool)
    is_first[1:] = (person[1:] != person[:-1]) | (events.day[1:] != events.day[:-1])
    start = np.flatnonzero(is_first)
    of_person = np.searchsorted(person[start], np.arange(len(events.offsets)))
    days = np.diff(of_person)
    with_days = np.flatnonzero(days)
    first_day = events.day[start[of_person[with_days]]]
    at = of_person[with_days] + chosen(days[with_days], days[with_days], first_day)
    ends = np.append(start[1:], len(person))
    lengths = ends[at] - start[at]
    members = np.repeat(start[at] - np.append(0, np.cumsum(lengths)[:-1]), lengths) + np.arange(lengths.sum())
    return np.asarray(events.item, np.int64)[members]
