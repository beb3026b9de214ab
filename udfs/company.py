"""Which items a person has, and which meet on a day: pairs, counted once a person."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def pairs_of_persons(offsets, item, items):
    """Count the persons who have both of two items, in ``item`` sorted and distinct in a person; (items, items)."""
    both = np.zeros((items, items), np.int32)
    for person in range(len(offsets) - 1):
        for i in range(offsets[person], offsets[person + 1]):
            for j in range(i, offsets[person + 1]):
                both[item[i], item[j]] += 1
    for a in range(items):
        for b in range(a):
            both[a, b] = both[b, a]
    return both


@njit(nogil=True, cache=True)
def pairs_of_days(offsets, item, day, items):
    """Count the persons for whom two items ever meet on one day; (items, items)."""
    met = np.zeros((items, items), np.int32)
    last = np.full((items, items), -1, np.int32)
    for person in range(len(offsets) - 1):
        i = offsets[person]
        while i < offsets[person + 1]:
            j = i
            while j < offsets[person + 1] and day[j] == day[i]:
                j += 1
            for x in range(i, j):
                for y in range(x + 1, j):
                    a, b = min(item[x], item[y]), max(item[x], item[y])
                    if last[a, b] != person:
                        last[a, b] = person
                        met[a, b] += 1
            i = j
    for a in range(items):
        for b in range(a):
            met[a, b] = met[b, a]
    return met


@njit(nogil=True, cache=True)
def company(offsets, item, day, person_of, item_of, day_of, items):
    """Count, for the one day chosen of each (person, item), which other items are there; (items, items).

    ``person_of``, ``item_of`` and ``day_of`` hold the choices, in the order of persons.
    """
    met = np.zeros((items, items), np.int32)
    for k in range(len(person_of)):
        low, high = offsets[person_of[k]], offsets[person_of[k] + 1]
        i = low + np.searchsorted(day[low:high], day_of[k])
        while i < high and day[i] == day_of[k]:
            if item[i] != item_of[k]:
                met[item_of[k], item[i]] += 1
            i += 1
    return met


@njit(nogil=True, cache=True)
def triples_of_persons(offsets, item, first, second, items):
    """Count the persons who have an item and both of each of its pairs; (items, pairs).

    ``first`` and ``second`` (items, pairs) name the pairs of each item; -1 where there is none.
    """
    pairs = first.shape[1]
    counts = np.zeros((items, pairs), np.int32)
    has = np.full(items, -1, np.int64)
    for person in range(len(offsets) - 1):
        for i in range(offsets[person], offsets[person + 1]):
            has[item[i]] = person
        for i in range(offsets[person], offsets[person + 1]):
            x = item[i]
            for k in range(pairs):
                a, b = first[x, k], second[x, k]
                if a >= 0 and has[a] == person and has[b] == person:
                    counts[x, k] += 1
    return counts
