"""The statistics of payer plan periods: their names, the cells of each, and how it is released."""

from __future__ import annotations

import numpy as np

from ..choices import rates
from ..histograms import band_of
from ..lives import Int64s, People
from ..release import DROP, POOL, Rule

ANY, KIND, LENGTH, REASON, AFTER_DEATH = (
    f"payers.{name}" for name in ("any", "kind", "length", "reason", "after_death")
)
HAS = {"payers.has.class": (0, 1), "payers.has.age": (0,), "payers.has": ()}
BEGINS = {"payers.begins.class": (0, 1), "payers.begins.span": (1,), "payers.begins": ()}
FIRST = {"payers.first": (0,)}
HELD = {"payers.held.age": (0,), "payers.held": ()}
ENDS = {"payers.ends.left": (0,), "payers.ends": ()}
STOPS = {"payers.stops.kind": (0, 1), "payers.stops.left": (1,), "payers.stops": ()}
GAP = {"payers.gap.kind": (0,), "payers.gap": ()}
STAYS = {"payers.stays.kind": (0, 1, 2), "payers.stays.age": (1, 2), "payers.stays.gap": (2,), "payers.stays": ()}
NEXT = {"payers.next.kind": (0, 1), "payers.next.age": (1,)}
BEYOND = {"payers.beyond": (0,)}
LASTS = {"payers.lasts.kind": (0,), "payers.lasts": ()}
BEGIN_DAYS = {"payers.begin_days.span": (0, 1), "payers.begin_days": (0,)}
GAP_DAYS = {"payers.gap_days": (0,)}
DAYS = {"payers.days.kind": (0,), "payers.days": ()}

RULES: dict[str, Rule] = {
    ANY: DROP,  # have a period
    KIND: DROP,  # all (0) or the payer alone (1), the number of a kind, and what it is
    LENGTH: DROP,  # days that a period lasts
    REASON: DROP,  # a period is the last one, the number of a reason, and why it ends
    AFTER_DEATH: DROP,  # have a period that ends after death
    # of the second round
    **dict.fromkeys((*HAS, *BEGINS, *FIRST, *HELD, *NEXT, *BEYOND), DROP),
    **rates(*ENDS, *STOPS, *GAP, *STAYS, *LASTS),
    **dict.fromkeys((*BEGIN_DAYS, *GAP_DAYS, *DAYS), POOL),
}
ROUNDED = [*BEGIN_DAYS, *GAP_DAYS, *DAYS]

UNCOVERED = -2  # in the place of a kind: no period
ALL_OTHERS = -1  # in the place of a length: one that is not frequent
BEFORE, ON, AFTER = 0, 1, 2  # the first day of observation, or the last
OVERLAPS, SAME_DAY, NEXT_DAY, LATER = 0, 1, 2, 3  # when a period begins, by the end of the one before
MOST = 240  # periods
FARTHEST = 1 << 20  # days
_YEAR = 365.25
AGES = np.floor(np.array([18, 26, 65]) * _YEAR).astype(np.int64)
SPANS = np.floor(np.array([1, 2, 5, 10, 20]) * _YEAR).astype(np.int64)
LEFT = np.array([-365, -30, 0, 1, 2, 31, 92, 184, 360, 373, 735, 1830], np.int64)  # days until observation ends


def class_of(people: People) -> Int64s:
    """Bands of the age when observation begins, and of how long it is."""
    return np.column_stack([band_of(people.start, AGES), band_of(people.end - people.start, SPANS)])


def gap_class(gap: Int64s) -> Int64s:
    """When periods begin, by the days since the end of the ones before."""
    return np.clip(gap, -1, 2) + 1


def turn_of(before: Int64s, after: Int64s) -> Int64s:
    """The band of age of the later of two days, and whether the earlier one is in another."""
    band = band_of(after, AGES)
    return 2 * band + (band_of(before, AGES) != band)
