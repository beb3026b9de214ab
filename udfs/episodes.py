"""Days of contact become episodes: a driver, and the companions that its day's records bring along.

A day is a set of items. Items are taken in the order of their rank (conditions first); each joins the strongest of
the day's drivers that it is known to accompany, or else becomes a driver itself.
"""

import numpy as np
from numba import njit

_BIT = np.uint64(1)


@njit(nogil=True, cache=True)
def parsed(offsets, item, day, rank, drivers_of, driver, bit):
    """Parse the days of persons into episodes.

    ``offsets`` (n + 1) delimits the persons in ``item`` and ``day``, which are sorted by day. Item c may join the
    drivers ``driver[drivers_of[c]:drivers_of[c + 1]]``, the strongest first, as their companion number ``bit``.
    Returns the episodes' offsets (n + 1), drivers, days, and companions as 64-bit masks.
    """
    n = len(offsets) - 1
    episode_offsets = np.zeros(n + 1, np.int64)
    episode_driver = np.empty(len(item), np.int32)
    episode_day = np.empty(len(item), np.int32)
    masks = np.zeros(len(item), np.uint64)
    # The episode that an item drives; valid only from the day's first episode on.
    leads = np.full(len(rank), -1, np.int64)
    at = 0
    for person in range(n):
        i = offsets[person]
        while i < offsets[person + 1]:
            j = i
            while j < offsets[person + 1] and day[j] == day[i]:
                j += 1
            at = _parsed_day(
                item[i:j], day[i], rank, drivers_of, driver, bit, leads, episode_driver, episode_day, masks, at
            )
            i = j
        episode_offsets[person + 1] = at
    return episode_offsets, episode_driver[:at], episode_day[:at], masks[:at]


@njit(nogil=True)
def _parsed_day(items, day, rank, drivers_of, driver, bit, leads, episode_driver, episode_day, masks, at):
    first = at
    for position in np.argsort(rank[items]):
        c = items[position]
        joined = False
        for k in range(drivers_of[c], drivers_of[c + 1]):
            episode = leads[driver[k]]
            if first <= episode < at and episode_driver[episode] == driver[k]:
                masks[episode] |= _BIT << np.uint64(bit[k])
                joined = True
                break
        if not joined:
            leads[c] = at
            episode_driver[at], episode_day[at] = c, day
            at += 1
    return at
