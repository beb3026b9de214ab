"""How long before one item another one stood: one occurrence a person, the nearest before it."""

import numpy as np
from numba import njit

_ONE = np.uint64(1)


@njit(nogil=True, cache=True)
def lags_before(offsets, item, start, count, day, mask, anchor, bit, most):
    """Yield (child, parent, days) for each person and pair of items: from the nearest day of the parent to the child's.

    A person's entries (``offsets``) hold ``item`` and ``count`` sorted ``day``s from ``start`` on; ``anchor`` is the
    place of the day that stands for the entry. ``mask`` holds the companions of each day; ``bit`` (items, items) the
    number of a companion (column) of a driver (row), -1 for none: days of a parent that brought the child are passed
    over. Lags above ``most`` days are left out.
    """
    size = 0
    for person in range(len(offsets) - 1):
        entries = offsets[person + 1] - offsets[person]
        size += entries * (entries - 1)
    child, parent, lag = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32)
    at = 0
    for person in range(len(offsets) - 1):
        for i in range(offsets[person], offsets[person + 1]):
            for j in range(offsets[person], offsets[person + 1]):
                if i != j:
                    found = _nearest(day, mask, start[j], count[j], day[anchor[i]], bit[item[j], item[i]])
                    if 0 <= found <= most:
                        child[at], parent[at], lag[at] = item[i], item[j], found
                        at += 1
    return child[:at], parent[:at], lag[:at]


@njit(nogil=True, inline="always")
def _nearest(day, mask, start, count, until, bit):
    """Days since the last of sorted days up to ``until`` that did not bring companion ``bit``; -1 without one."""
    k = start + count - 1
    while k >= start:
        if day[k] <= until and (bit < 0 or (mask[k] >> np.uint64(bit)) & _ONE == np.uint64(0)):
            return until - day[k]
        k -= 1
    return -1
