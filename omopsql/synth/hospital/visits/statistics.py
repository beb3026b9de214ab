"""The statistics of visits: their names, their bands and how each is released."""

from __future__ import annotations

import numpy as np

from ..lives import Int32s, Int64s, People, Periods
from ..plan import TABLE_NUMBERS, TABLES
from ..release import DROP, POOL, Rule

STAY, REACH, REPEATS, LINK, LAG = "visits.stay", "visits.reach", "visits.repeats", "visits.link", "visits.lag"
TOLD, START, SPAN, LAST = "visits.told", "visits.start_minute", "visits.span_minutes", "visits.end_minute"
DETAILS, FOLLOWS = "visits.details", "visits.detail_follows"
WAITS, LENGTHS = "visits.detail_waits", "visits.detail_lengths"
PRECEDING = "visits.preceding"
IN_DETAIL = "visits.in_detail"
RULES: dict[str, Rule] = {
    **dict.fromkeys((STAY, REPEATS, LAG, START, SPAN, LAST, DETAILS, WAITS, LENGTHS), POOL),
    **dict.fromkeys((REACH, LINK, TOLD, FOLLOWS, PRECEDING, IN_DETAIL), DROP),
}

EDGES = np.array([1, 4, 8, 31], np.int64)  # days at which the bands of stays begin
BANDS = len(EDGES) + 1
# Those of the time left to a visit. Who dies in a year does so in this visit less often than who dies in two months.
TIMES_LEFT = np.array([1, 4, 8, 15, 31, 61, 91, 366], np.int64)
BANDS_LEFT = len(TIMES_LEFT) + 1
MOST_REPEATS, MOST_DETAILS = 100, 20
VISIT, DETAIL = TABLE_NUMBERS["visit_occurrence"], len(TABLES)


def bands(days: Int64s) -> Int64s:
    """The band of each length of a stay, in days."""
    return np.searchsorted(EDGES, days, side="right").astype(np.int64)


def bands_left(days: Int64s) -> Int64s:
    """The band of each number of days that are left to a visit."""
    return np.searchsorted(TIMES_LEFT, days, side="right").astype(np.int64)


def limits(people: People, observed: Periods, person: Int64s, day: Int32s | Int64s) -> tuple[Int64s, Int64s]:
    """The last day of the period that each day of a person lies in, and whether a known death ends it (1) or not."""
    end, death = observed.last_day(person, day).astype(np.int64), people.death[person]
    dies = (death >= 0) & observed.is_last(person, day)
    return np.where(dies, np.minimum(death, end), end), dies.astype(np.int64)
