"""The events of synthetic lives: streams first, then driver after driver, each given those that lead to it.

A life is a pure function of (tables, seed, person's number). Days count from birth.
"""

import math

import numpy as np
from numba import njit

from .borrowing import borrowing
from .even import BLOCK, enter_block, place_of
from .life_companions import allowed, companions, mark_had, meets, same_age, taken_over
from .life_days import chain, in_phase, on_visits, scattered
from .life_streams import walk
from .life_tables import EPISODES, work_for
from .normal import norm_ppf
from .stream import start, uniform

LAYER = 2  # of random numbers: events
_NEVER = 1e-300
_SHIFT = 20  # bits of an item in a sort key
# The quantile of the standard normal at the upper end of each place in a block: no number of the place lies above.
_NORMAL_ABOVE = np.append([norm_ppf(k / BLOCK) for k in range(1, BLOCK)], np.inf)


@borrowing
def _life(tables, seed, people, p, work):
    """Fill ``work`` with the episodes of person ``p`` of ``people``; return how many."""
    variants, presence, times = tables.variants, tables.presence, tables.times
    first_day, last_day = people.first_day[p], people.last_day[p]
    item, day, mask, pos, n, has, has_item, common, used, taken, spare, _, _ = work
    number = people.number[p]
    state = start(seed, number, LAYER)
    enter_block(seed, number, LAYER, work.block, work.words)
    common[:] = 0.0
    for k in range(len(presence.loadings)):
        state, u = uniform(state)
        factor = norm_ppf((place_of(work.words, number, len(common) + k) + u) / BLOCK)
        of_factor = presence.loadings[k]
        for x in range(len(common)):
            common[x] += of_factor[x] * factor
    n[:] = 0
    has[:] = False
    has_item[:] = False
    state, at = walk(
        tables.streams, variants, presence, people.born[p], first_day, last_day, state, item, day, mask, has_item
    )
    _by_driver(item, day, mask, at, pos, n, spare)
    for k in range(at):
        has[item[k]] = True
    first_visit = visits = at
    visits_lead, band_of_visits = times.leads.any(), np.int64(0)
    order, threshold, own = presence.order, presence.threshold[people.cell[p]], presence.own
    first, second, shift = presence.first, presence.second, presence.shift
    for x in order:
        place = place_of(work.words, number, x)
        h, parents = threshold[x], 0
        if first[x] >= 0:
            parents = (1 if has[first[x]] else 0) + (2 if second[x] >= 0 and has[second[x]] else 0)
            h -= shift[x, parents]
        if common[x] + own[x] * _NORMAL_ABOVE[place] <= h:
            continue  # most end here, without the quantile itself
        state, u = uniform(state)
        u = (place + u) / BLOCK
        counted_by = band_of_visits if visits_lead and not times.leads[x] else people.band[p]
        state, count = _times_of(presence, x, h, u, parents, counted_by, has_item, common, state)
        count = min(count, EPISODES - at)
        if count <= 0:
            continue
        if times.is_regular[x]:
            state, count = chain(times, x, count, first_day, last_day, state, day, at, pos, n, spare[0])
            if times.host[x] >= 0:
                state, u = uniform(state)
                if u < times.hosted[x]:
                    in_phase(variants, times.host[x], first_day, last_day, item, day, mask, at, count)
        else:
            state = scattered(times, variants, x, count, first_day, last_day, state, day, mask, at, pos, n, used)
        if times.leads[x]:
            visits = at + count  # they stand right after the streams
            band_of_visits = np.searchsorted(times.bands_of_visits, visits - first_visit, side="right")
        elif visits > first_visit:
            state, count = on_visits(times, x, first_visit, visits, item, day, at, count, taken, state)
        if count == 0:
            continue
        has[x] = True
        pos[x], n[x] = at, count
        for j in range(count):
            item[at + j] = x
            state, mask[at + j] = companions(variants, presence, x, day[at + j], people.birth[p], has_item, state)
            if j > 0 and same_age(variants, day[at + j - 1], day[at + j]):
                state, mask[at + j] = taken_over(variants, x, mask[at + j - 1], mask[at + j], state)
            mask[at + j] = allowed(variants, presence, x, mask[at + j], has_item)
            mark_had(variants, x, mask[at + j], has_item)
        at += count
    return at


@njit(nogil=True, inline="always")
def _times_of(presence, x, h, u, parents, band, has_item, common, state):
    """How often a person has driver x whose threshold is ``h``: its rank within the state of its parents decides."""
    z = common[x] + presence.own[x] * norm_ppf(u)
    if z <= h:
        return state, 0
    if meets(presence.excluded_offsets, presence.excluded, x, has_item):
        return state, 0
    rank = 1.0 - _upper(z) / max(_upper(h), _NEVER)
    if presence.first[x] >= 0:
        state, u = uniform(state)
        quantiles = presence.quantiles[x, parents]
        rank = (np.searchsorted(quantiles, rank) - u) / (len(quantiles) - 1)
        rank = min(max(rank, 0.0), 1.0 - 1e-12)
    cumulative = presence.times[x, band]
    times = 1 + np.searchsorted(cumulative, rank * cumulative[-1], side="right")
    return state, min(times, len(cumulative))


@njit(nogil=True, inline="always")
def _upper(z):
    return 0.5 * math.erfc(z / 1.4142135623730951)


@borrowing
def _by_driver(item, day, mask, episodes, pos, n, spare):
    """Put episodes so that those of a driver stand together, in their order; tell where, and how many."""
    for k in range(episodes):
        n[item[k]] += 1
        spare[0, k], spare[1, k], spare[2, k] = item[k], day[k], mask[k]
    end = 0
    for x in range(len(n)):
        end += n[x]
        pos[x] = end
    for k in range(episodes - 1, -1, -1):
        x = spare[0, k]
        pos[x] -= 1
        item[pos[x]], day[pos[x]], mask[pos[x]] = x, spare[1, k], spare[2, k]


@njit(nogil=True, cache=True)
def persons_with(tables, seed, people, row, rows):
    """Count the persons of each row of strata with each item as a driver, and at all, of such lives."""
    items = len(tables.presence.first)
    driven, had = np.zeros((items, rows), np.int64), np.zeros((items, rows), np.int64)
    work = work_for(tables)
    for p in range(len(people.number)):
        _life(tables, seed, people, p, work)
        for x in range(items):
            driven[x, row[p]] += work.has[x]
            had[x, row[p]] += work.has_item[x]
    return driven, had


@njit(nogil=True, cache=True)
def lives(tables, seed, people):
    """Make the events of persons, sorted by day and item; return offsets, items, days and episodes."""
    persons = len(people.number)
    offsets = np.zeros(persons + 1, np.int64)
    out_item, out_day, out_episode = np.empty(1024, np.int32), np.empty(1024, np.int32), np.empty(1024, np.int32)
    work = work_for(tables)
    keys = np.empty(1024, np.int64)
    source = np.empty(1024, np.int32)
    at = 0
    for p in range(persons):
        episodes = _life(tables, seed, people, p, work)
        made, keys, source = _records(tables.variants, work.item, work.day, work.mask, episodes, keys, source)
        out_item = _grown(out_item, at + made)
        out_day = _grown(out_day, at + made)
        out_episode = _grown(out_episode, at + made)
        order = np.argsort(keys[:made])
        last = np.int64(-1)
        for k in range(made):
            key = keys[order[k]]
            if key == last:
                continue
            last = key
            out_day[at] = key >> _SHIFT
            out_item[at] = key & ((1 << _SHIFT) - 1)
            out_episode[at] = source[order[k]]
            at += 1
        offsets[p + 1] = at
    return offsets, out_item[:at].copy(), out_day[:at].copy(), out_episode[:at].copy()


@njit(nogil=True)
def _records(variants, item, day, mask, episodes, keys, source):
    """Unfold episodes to their records: sort keys of day and item, and the episode of each."""
    made = 0
    for e in range(episodes):
        x = item[e]
        first = variants.companions_of[x]
        need = made + 1 + variants.companions_of[x + 1] - first
        keys, source = _grown(keys, need), _grown(source, need)
        keys[made], source[made] = (day[e] << _SHIFT) | x, e
        made += 1
        for k in range(first, variants.companions_of[x + 1]):
            if (mask[e] >> (k - first)) & 1 == 1:
                keys[made], source[made] = (day[e] << _SHIFT) | variants.companion[k], e
                made += 1
    return made, keys, source


@njit(nogil=True)
def _grown(array, size):
    if size <= len(array):
        return array
    larger = np.empty(max(size, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger
