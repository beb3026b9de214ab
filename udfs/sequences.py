"""Kernels that count pairs of items in histories: on the same day, and one after the other."""

import numpy as np
from numba import njit

from .borrowing import borrowing


@njit(nogil=True, cache=True)
def same_day(offsets, item, t, items):
    """Count pairs of records of two items on one day of a person, int64[items, items]."""
    pairs = np.zeros((items, items), np.int64)
    for person in range(offsets.size - 1):
        start = offsets[person]
        while start < offsets[person + 1]:
            end = start
            while end < offsets[person + 1] and t[end] == t[start]:
                for i in range(start, end):
                    if item[i] != item[end]:
                        pairs[item[i], item[end]] += 1
                        pairs[item[end], item[i]] += 1
                end += 1
            start = end
    return pairs


@njit(nogil=True, cache=True)
def transitions(offsets, item, t, items, horizon):
    """Count what follows what within ``horizon`` days, not on the same day: two int64[items, items].

    The first counts records of an item that any record of the other follows; the second counts persons in whom the
    item's first record is followed so.
    """
    records, persons = np.zeros((items, items), np.int64), np.zeros((items, items), np.int64)
    first = np.empty(items, np.int64)
    following = np.full(items, -1, np.int64)  # the next day of each item: days are walked backwards
    seen = np.empty(items, np.int64)
    for person in range(offsets.size - 1):
        start, end, known = offsets[person], offsets[person + 1], 0
        for i in range(end - 1, start - 1, -1):
            first[item[i]] = i
        while end > start:
            day = _day_start(t, start, end)
            for i in range(day, end):
                for later in seen[:known]:
                    if following[later] - t[i] <= horizon:
                        records[item[i], later] += 1
                        persons[item[i], later] += first[item[i]] == i
            known = _remember(item[day:end], t[day], following, seen, known)
            end = day
        following[seen[:known]] = -1
    return records, persons


@borrowing(cache=True)
def _day_start(t, start, end):
    """Where the last day before ``end`` begins."""
    day = end - 1
    while day > start and t[day - 1] == t[day]:
        day -= 1
    return day


@borrowing(cache=True)
def _remember(item, day, following, seen, known):
    """Set the next day of the items; add new ones to the ``known`` first of ``seen`` and return how many those are."""
    for one in item:
        if following[one] < 0:
            seen[known] = one
            known += 1
        following[one] = day
    return known
