"""The statistics of visits: their names, their bands and how each is released."""

from __future__ import annotations

import numpy as np

from ..lives import Int32s, Int64s, People
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

EDGES = np.array([1, 4, 8, 31], np.int64)  # days at which the bands of stays and of horizons begin
BANDS = len(EDGES) + 1
MOST_REPEATS, MOST_DETAILS = 100, 20
VISIT, DETAIL = TABLE_NUMBERS["visit_occurrence"], len(TABLES)


def bands(days: Int64s) -> Int64s:
    """The band of each number of days."""
    return np.searchsorted(EDGES, days, side="right").astype(np.int64)


def limits(people: People) -> Int32s:
    """The last day of each person's time."""
    return np.where(people.death >= 0, np.minimum(people.death, people.end), people.end).astype(np.int32)
