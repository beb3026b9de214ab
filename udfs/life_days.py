"""The days of a driver: rhythms, triggers, rates, and the visits that it happens on."""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .life_companions import fits
from .stream import below, uniform

_TRIES, _TRIGGER_TRIES, _CHAIN_TRIES = 6, 6, 20
_PHASE = 200  # days by which a rhythm is moved to be in phase with another, at most


@borrowing
def drawn(bins, row, least, most, state):
    """Draw a whole number from a row of bins, between ``least`` and ``most``; evenly there when no bin fits."""
    a, b = bins.offsets[row], bins.offsets[row + 1]
    while a < b and bins.high[a] < least:
        a += 1
    if a < b and bins.low[b - 1] > most:
        b = a + np.searchsorted(bins.low[a:b], most, side="right")
    if a >= b:
        state, k = below(state, most - least + 1)
        return state, least + k
    first = bins.offsets[row]
    before = bins.cumulative[a - 1] if a > first else 0.0
    state, u = uniform(state)
    wanted = before + u * (bins.cumulative[b - 1] - before)
    k = min(a + np.searchsorted(bins.cumulative[a:b], wanted, side="right"), b - 1)
    low, high = max(bins.low[k], least), min(bins.high[k], most)
    state, step = below(state, high - low + 1)
    return state, low + step


@njit(nogil=True, inline="always")
def on_axis(times, x, row, first_day, last_day, spared, state):
    """Draw a day on the axis of driver x, at least ``spared`` days before the end."""
    last = last_day - spared
    if times.axis[x] == 0:
        return drawn(times.when, row, first_day, last, state)
    if times.axis[x] == 1:
        state, since = drawn(times.when, row, 0, last - first_day, state)
        return state, first_day + since
    if times.axis[x] == 3:  # that of the last day
        state, left = drawn(times.when, row, 0, last - first_day, state)
        return state, last - left
    state, left = drawn(times.when, row, spared, last_day - first_day, state)
    return state, last_day - left


@njit(nogil=True, inline="always")
def _class(times):
    return 0 if times < 2 else 1 if times < 4 else 2 if times < 10 else 3


@borrowing
def quickened(gaps, total, span):
    """Shorten gaps until they fit into ``span``; return their sum.

    One after another becomes as short as the shortest of them; if that does not suffice, all are shortened.
    """
    shortest = gaps[0]
    for gap in gaps:
        shortest = min(shortest, gap)
    for j in range(len(gaps)):
        if total <= span:
            return total
        total -= gaps[j] - shortest
        gaps[j] = shortest
    if total <= span:
        return total
    fitted = 0
    for j in range(len(gaps)):
        gaps[j] = max(gaps[j] * span // total, 1)
        fitted += gaps[j]
    return fitted


@njit(nogil=True, inline="always")
def chain(times, x, count, first_day, last_day, state, day, at, pos, n, gaps):
    """Place a driver with a rhythm: a first day, then gap after gap; return how many fit."""
    row = x * 4 + _class(count)
    total = 0
    for _ in range(_CHAIN_TRIES):
        total = 0
        for j in range(count - 1):
            state, gaps[j] = drawn(times.gaps, row, 1, 1 << 20, state)
            total += gaps[j]
        if total <= last_day - first_day:
            break
    if total > last_day - first_day:  # rather a quicker rhythm than fewer days
        total = quickened(gaps[: count - 1], total, last_day - first_day)
    while count > 1 and total > last_day - first_day:
        count -= 1
        total -= gaps[count - 1]
    state, now = on_axis(times, x, row, first_day, last_day, total, state)
    for k in range(times.trigger.shape[1]):
        parent = times.trigger[x, k]
        if parent >= 0 and n[parent] > 0:
            state, u = uniform(state)
            if u < times.chance[x, k]:
                state, lag = drawn(times.lags, x * times.trigger.shape[1] + k, 0, 1 << 20, state)
                earliest = day[pos[parent]]
                for j in range(1, n[parent]):
                    earliest = min(earliest, day[pos[parent] + j])
                if earliest + lag + total <= last_day:
                    now = earliest + lag
                    break
    for j in range(count):
        day[at + j] = now
        now += gaps[j] if j < count - 1 else 0
    return state, count


@borrowing
def in_phase(variants, host, first_day, last_day, item, day, mask, at, count):
    """Move a chain of days as a whole, by as little as needed, so that one is a day of the host's."""
    least = np.int64(_PHASE)
    for k in range(at):
        bit = variants.bit[item[k], host]
        if item[k] == host or (bit >= 0 and (mask[k] >> bit) & 1 == 1):
            for j in range(count):
                apart = day[k] - day[at + j]
                if abs(apart) < abs(least) and day[at] + apart >= first_day and day[at + count - 1] + apart <= last_day:
                    least = apart
    if abs(least) < _PHASE:
        for j in range(count):
            day[at + j] += least


@borrowing
def on_visits(times, x, first_visit, visits, item, day, at, count, taken, state):
    """Move the days of driver x to visits of kinds that it happens on, the nearest, each once; return how many stay.

    It stays on its own day as often as it happens outside visits. Without a visit that is free, it falls away.
    """
    taken[first_visit:visits] = False
    kept = 0
    for j in range(count):
        state, u = uniform(state)
        on = day[at + j]
        if u < times.on_visit[x]:
            nearest, distance = np.int64(-1), np.int64(1) << 40
            for k in range(first_visit, visits):
                if not taken[k] and times.visited[x, item[k]] > 0 and abs(day[k] - on) < distance:
                    nearest, distance = k, abs(day[k] - on)
            if nearest < 0:
                continue
            taken[nearest] = True
            on = day[nearest]
        day[at + kept] = on
        kept += 1
    return state, kept


@njit(nogil=True, inline="always")
def scattered(times, variants, x, count, first_day, last_day, state, day, mask, at, pos, n, used):
    """Place a driver without a rhythm: each time by a trigger, or by its rate, away from the others if need be."""
    used[:] = False
    row = x * 4
    for j in range(count):
        state, now = _triggered(times, variants, x, last_day, state, day, mask, pos, n, used)
        if now < 0:
            for _ in range(_TRIES):
                state, now = on_axis(times, x, row, first_day, last_day, 0, state)
                accepted = 1.0
                for other in range(j):
                    gap = abs(now - day[at + other])
                    band = np.searchsorted(times.again_bounds, gap)
                    if band < len(times.again_bounds):
                        accepted *= times.again[x, band]
                if accepted >= 1.0:
                    break
                state, u = uniform(state)
                if u < accepted:
                    break
        day[at + j] = now
    return state


@borrowing
def _triggered(times, variants, x, last_day, state, day, mask, pos, n, used):
    """A day that a trigger of driver x gives, -1 for none. ``used`` marks the parents' episodes that are spent."""
    for k in range(times.trigger.shape[1]):
        parent = times.trigger[x, k]
        if parent < 0 or n[parent] == 0:
            continue
        state, u = uniform(state)
        if u >= times.chance[x, k]:
            continue
        bit = variants.bit[parent, x]
        for _ in range(_TRIGGER_TRIES):
            state, j = below(state, n[parent])
            episode = pos[parent] + j
            if used[k, j] or (bit >= 0 and (mask[episode] >> bit) & 1 == 1):
                continue
            state, lag = drawn(times.lags, x * times.trigger.shape[1] + k, 0, 1 << 20, state)
            if lag == 0 and not fits(variants, parent, mask[episode], x):
                continue
            if day[episode] + lag <= last_day:
                used[k, j] = True
                return state, day[episode] + lag
    return state, np.int64(-1)
