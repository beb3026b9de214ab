"""Companions: what comes with a driver on its day, and what a person who has one item never has."""

import math

import numpy as np
from numba import njit

from .borrowing import borrowing
from .stream import below, uniform

_FREE = -1  # a variant whose companions are drawn one by one
_TRIES = 6
_YEAR = 365.25
_CALENDAR = 5 * _YEAR


@njit(nogil=True, inline="always")
def companions(variants, presence, x, on, birth, has_item, state):
    """Choose the companions of an episode; none that excludes what the person has."""
    age = np.searchsorted(variants.ages, on, side="right")
    year = math.floor((birth + on) / _CALENDAR) - variants.first_calendar
    year = min(max(year, 0), variants.calendars - 1)
    band = age * variants.calendars + year
    a, b = variants.offsets[x], variants.offsets[x + 1]
    if a >= b:
        return state, np.int64(0)
    mask = np.int64(0)
    for _ in range(_TRIES):
        state, u = uniform(state)
        weights = variants.cumulative[a:b, band]
        k = min(a + np.searchsorted(weights, u * weights[-1], side="right"), b - 1)
        mask = variants.mask[k]
        if mask == _FREE:
            state, mask = _free(variants, x, age, state)
        if allowed(variants, presence, x, mask, has_item) == mask:
            break
    return state, mask


@njit(nogil=True, inline="always")
def same_age(variants, day, other):
    """Whether two days are in one band of age."""
    return np.searchsorted(variants.ages, day, side="right") == np.searchsorted(variants.ages, other, side="right")


@borrowing
def taken_over(variants, x, before, mask, state):
    """Take companions over from the episode before, each as often as persons keep it; they keep them together.

    What is taken over replaces what it never meets.
    """
    state, u = uniform(state)
    first = variants.companions_of[x]
    for k in range(first, variants.companions_of[x + 1]):
        if u < variants.kept[k]:
            bit = np.int64(1) << (k - first)
            mask = (mask & ~bit) | (before & bit)
            if before & bit:
                mask &= ~variants.apart[k]
    return state, mask


@borrowing
def _free(variants, x, age, state):
    """Draw companions one by one, from any of them on; none that never meets one that is there."""
    mask = np.int64(0)
    first = variants.companions_of[x]
    companions = variants.companions_of[x + 1] - first
    state, begin = below(state, max(companions, 1))
    for step in range(companions):
        bit = (begin + step) % companions
        state, u = uniform(state)
        if u < variants.member[first + bit, age] and variants.apart[first + bit] & mask == 0:
            mask |= np.int64(1) << bit
    return state, mask


@borrowing
def fits(variants, driver, mask, x):
    """Whether item x is ever met on a day with all companions of an episode."""
    first = variants.companions_of[driver]
    for k in range(first, variants.companions_of[driver + 1]):
        if (mask >> (k - first)) & 1 == 1 and not variants.meets[variants.companion[k], x]:
            return False
    return True


@borrowing
def meets(offsets, others, item, has_item):
    """Whether a person has any of the other items that an item excludes."""
    found = False
    for e in range(offsets[item], offsets[item + 1]):
        found |= has_item[others[e]]
    return found


@borrowing
def allowed(variants, presence, x, mask, has_item):
    """The companions of a mask that nothing which the person has excludes."""
    first = variants.companions_of[x]
    for k in range(first, variants.companions_of[x + 1]):
        if (mask >> (k - first)) & 1 == 1 and meets(
            presence.apart_offsets, presence.apart, variants.companion[k], has_item
        ):
            mask &= ~(np.int64(1) << (k - first))
    return mask


@njit(nogil=True, inline="always")
def mark_had(variants, x, mask, has_item):
    """Note that a person has a driver and the companions of a mask."""
    has_item[x] = True
    first = variants.companions_of[x]
    for k in range(first, variants.companions_of[x + 1]):
        if (mask >> (k - first)) & 1 == 1:
            has_item[variants.companion[k]] = True
