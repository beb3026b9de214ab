"""The events of synthetic lives: streams first, then driver after driver, each given those that lead to it.

A life is a pure function of (tables, seed, person's number). Days count from birth.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .normal import norm_ppf
from .stream import below, mixed, normal, start, uniform

LAYER = 2  # of random numbers: events
_EPISODES = 1 << 13  # of one person, at most
_STEPS = 400  # of one stream, at most
_TRIES, _TRIGGER_TRIES, _CHAIN_TRIES = 6, 6, 20
_NEVER = 1e-300
_ONE = np.uint64(1)
_SHIFT = 20  # bits of an item in a sort key
_NONE = -1
_INFANT, _MONTHS, _OLDEST = 730, 61, 127
_FREE = -1  # a variant whose companions are drawn one by one
_YEAR = 365.25
_CALENDAR = 5 * _YEAR
_PHASE = 200  # days by which a rhythm is moved to be in phase with another, at most
_STEPS_OF_NORMAL = 256
# The quantile of the standard normal at the upper end of each step: no number of the step lies above.
_NORMAL_ABOVE = np.append([norm_ppf(k / _STEPS_OF_NORMAL) for k in range(1, _STEPS_OF_NORMAL)], np.inf)


class Bins(NamedTuple):
    """Rows of bins: see omopsql.synth.hospital.events.tables.BinTable."""

    offsets: np.ndarray
    low: np.ndarray
    high: np.ndarray
    cumulative: np.ndarray


class Streams(NamedTuple):
    """States by their hash, rising, and the steps from each."""

    states: np.ndarray
    offsets: np.ndarray
    by_age: np.ndarray
    driver: np.ndarray
    mask: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray
    dosed: np.ndarray


class Variants(NamedTuple):
    """The companions that drivers come with: masks with cumulative weights by band of age and calendar."""

    offsets: np.ndarray
    mask: np.ndarray
    cumulative: np.ndarray
    member: np.ndarray
    kept: np.ndarray
    apart: np.ndarray
    meets: np.ndarray
    companions_of: np.ndarray
    companion: np.ndarray
    bit: np.ndarray
    ages: np.ndarray
    first_calendar: int
    calendars: int


class Presence(NamedTuple):
    """Who has which driver, and how often."""

    order: np.ndarray
    threshold: np.ndarray
    loadings: np.ndarray
    own: np.ndarray
    first: np.ndarray
    second: np.ndarray
    shift: np.ndarray
    quantiles: np.ndarray
    times: np.ndarray
    excluded_offsets: np.ndarray
    excluded: np.ndarray
    apart_offsets: np.ndarray
    apart: np.ndarray


class Times(NamedTuple):
    """When drivers occur."""

    is_regular: np.ndarray
    axis: np.ndarray
    when: Bins
    gaps: Bins
    again: np.ndarray
    again_bounds: np.ndarray
    trigger: np.ndarray
    chance: np.ndarray
    lags: Bins
    leads: np.ndarray
    visited: np.ndarray
    on_visit: np.ndarray
    bands_of_visits: np.ndarray
    host: np.ndarray
    hosted: np.ndarray


@njit(nogil=True)
def _from_bins(bins, row, least, most, state):
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
def _upper(z):
    return 0.5 * math.erfc(z / 1.4142135623730951)


@njit(nogil=True, inline="always")
def _class(times):
    return 0 if times < 2 else 1 if times < 4 else 2 if times < 10 else 3


@njit(nogil=True)
def state_hash(stream, level, doses, last, last_mask, age, birth):
    """Hash of a state of a stream."""
    word = np.uint64(0x9E3779B97F4A7C15)
    for part in (stream, level, doses, last, last_mask, age, birth):
        word = mixed(word ^ np.uint64(part)) + np.uint64(0x9E3779B97F4A7C15)
    return mixed(word)


@njit(nogil=True)
def state_hashes(states):
    """Hashes of states (n, 7)."""
    hashes = np.empty(len(states), np.uint64)
    for i in range(len(states)):
        s = states[i]
        hashes[i] = state_hash(s[0], s[1], s[2], s[3], s[4], s[5], s[6])
    return hashes


@njit(nogil=True)
def _state_of(streams, stream, doses, last, last_mask, day, birth):
    """The finest state that is known, -1 for none."""
    age = day // _MONTHS if day < _INFANT else min(10 + day // 365, _OLDEST)
    if day < _INFANT:
        age = min(age, 11)
    for level in range(7):
        counted = doses if level < 5 else 0
        aged = age if level < 2 else age // 5 if level in (2, 5) else 0
        born = birth if level in (0, 3) else 0
        wanted = state_hash(stream, level, counted, last, last_mask, aged, born)
        k = np.searchsorted(streams.states, wanted)
        if k < len(streams.states) and streams.states[k] == wanted:
            return k
    return -1


@njit(nogil=True)
def _streams_of_life(streams, variants, presence, born, first_day, last_day, state, item, day, mask, has_item):
    """Walk through all streams; return the state of chance and the number of episodes."""
    at = 0
    for stream in range(streams.dosed.shape[0]):
        last, last_mask, doses, now = _NONE, 0, 0, first_day
        for _ in range(_STEPS):
            row = _state_of(streams, stream, doses, last, last_mask, now, born)
            if row < 0:
                break
            a, b = streams.offsets[row], streams.offsets[row + 1]
            state, u = uniform(state)
            k = a + np.searchsorted(streams.weight[a:b], u, side="right")
            if k >= b:
                break
            low = max(streams.low[k], now) if streams.by_age[row] else streams.low[k]
            state, step = below(state, max(streams.high[k] - low, 0) + 1)
            now = low + step + (0 if streams.by_age[row] else now)
            if now > last_day or at >= _EPISODES:
                break
            last, last_mask = streams.driver[k], streams.mask[k]
            if not _meets(presence.excluded_offsets, presence.excluded, last, has_item):
                item[at], day[at] = last, now
                mask[at] = _allowed(variants, presence, last, last_mask, has_item)
                _mark(variants, last, mask[at], has_item)
                at += 1
            doses = _with_dose(streams.dosed[stream], variants, doses, last, last_mask)
    return state, at


@njit(nogil=True)
def _with_dose(dosed, variants, doses, driver, mask):
    for number in range(len(dosed)):
        member = dosed[number]
        given = member == driver
        if member >= 0 and not given:
            bit = variants.bit[driver, member]
            given = bit >= 0 and (mask >> bit) & 1 == 1
        if given and (doses >> (3 * number)) & 7 < 7:
            doses += 1 << (3 * number)
    return doses


@njit(nogil=True, inline="always")
def _times_of(presence, x, h, u, parents, band, has_item, common, state):
    """How often a person has driver x whose threshold is ``h``: its rank within the state of its parents decides."""
    z = common[x] + presence.own[x] * norm_ppf(u)
    if z <= h:
        return state, 0
    if _meets(presence.excluded_offsets, presence.excluded, x, has_item):
        return state, 0
    if presence.first[x] >= 0:
        state, u = uniform(state)
        quantiles = presence.quantiles[x, parents]
        rank = (np.searchsorted(quantiles, z - h) - u) / (len(quantiles) - 1)
        rank = min(max(rank, 0.0), 1.0 - 1e-12)
    else:
        rank = 1.0 - _upper(z) / max(_upper(h), _NEVER)
    cumulative = presence.times[x, band]
    times = 1 + np.searchsorted(cumulative, rank * cumulative[-1], side="right")
    return state, min(times, len(cumulative))


@njit(nogil=True, inline="always")
def _on_axis(times, x, row, first_day, last_day, spared, state):
    """Draw a day on the axis of driver x, at least ``spared`` days before the end."""
    last = last_day - spared
    if times.axis[x] == 0:
        return _from_bins(times.when, row, first_day, last, state)
    if times.axis[x] == 1:
        state, since = _from_bins(times.when, row, 0, last - first_day, state)
        return state, first_day + since
    state, left = _from_bins(times.when, row, spared, last_day - first_day, state)
    return state, last_day - left


@njit(nogil=True, inline="always")
def _chain(times, x, count, first_day, last_day, state, day, at, pos, n):
    """Place a driver with a rhythm: a first day, then gap after gap; return how many fit."""
    row = x * 4 + _class(count)
    total = 0
    gaps = np.empty(count, np.int64)
    for _ in range(_CHAIN_TRIES):
        total = 0
        for j in range(count - 1):
            state, gaps[j] = _from_bins(times.gaps, row, 1, 1 << 20, state)
            total += gaps[j]
        if total <= last_day - first_day:
            break
    if total > last_day - first_day:  # rather a quicker rhythm than fewer days
        share = (last_day - first_day) / total
        total = 0
        for j in range(count - 1):
            gaps[j] = max(np.int64(gaps[j] * share), 1)
            total += gaps[j]
    while count > 1 and total > last_day - first_day:
        count -= 1
        total -= gaps[count - 1]
    state, now = _on_axis(times, x, row, first_day, last_day, total, state)
    for k in range(times.trigger.shape[1]):
        parent = times.trigger[x, k]
        if parent >= 0 and n[parent] > 0:
            state, u = uniform(state)
            if u < times.chance[x, k]:
                state, lag = _from_bins(times.lags, x * times.trigger.shape[1] + k, 0, 1 << 20, state)
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


@njit(nogil=True)
def _in_phase(variants, host, first_day, last_day, item, day, mask, at, count):
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


@njit(nogil=True)
def _on_visits(times, x, first_visit, visits, item, day, at, count, taken, state):
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


@njit(nogil=True)
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
            state, lag = _from_bins(times.lags, x * times.trigger.shape[1] + k, 0, 1 << 20, state)
            if lag == 0 and not _fits(variants, parent, mask[episode], x):
                continue
            if day[episode] + lag <= last_day:
                used[k, j] = True
                return state, day[episode] + lag
    return state, np.int64(-1)


@njit(nogil=True)
def _fits(variants, driver, mask, x):
    """Whether item x is ever met on a day with all companions of an episode."""
    first = variants.companions_of[driver]
    for k in range(first, variants.companions_of[driver + 1]):
        if (mask >> (k - first)) & 1 == 1 and not variants.meets[variants.companion[k], x]:
            return False
    return True


@njit(nogil=True, inline="always")
def _scattered(times, variants, x, count, first_day, last_day, state, day, mask, at, pos, n, used):
    """Place a driver without a rhythm: each time by a trigger, or by its rate, away from the others if need be."""
    used[:] = False
    row = x * 4
    for j in range(count):
        state, now = _triggered(times, variants, x, last_day, state, day, mask, pos, n, used)
        if now < 0:
            for _ in range(_TRIES):
                state, now = _on_axis(times, x, row, first_day, last_day, 0, state)
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


@njit(nogil=True, inline="always")
def _companions(variants, presence, x, on, birth, has_item, state):
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
        if _allowed(variants, presence, x, mask, has_item) == mask:
            break
    return state, mask


@njit(nogil=True, inline="always")
def _same_age(variants, day, other):
    """Whether two days are in one band of age."""
    return np.searchsorted(variants.ages, day, side="right") == np.searchsorted(variants.ages, other, side="right")


@njit(nogil=True)
def _taken_over(variants, x, before, mask, state):
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


@njit(nogil=True)
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


@njit(nogil=True)
def _meets(offsets, others, item, has_item):
    """Whether a person has any of the other items that an item excludes."""
    found = False
    for e in range(offsets[item], offsets[item + 1]):
        found |= has_item[others[e]]
    return found


@njit(nogil=True)
def _allowed(variants, presence, x, mask, has_item):
    """The companions of a mask that nothing which the person has excludes."""
    first = variants.companions_of[x]
    for k in range(first, variants.companions_of[x + 1]):
        if (mask >> (k - first)) & 1 == 1 and _meets(
            presence.apart_offsets, presence.apart, variants.companion[k], has_item
        ):
            mask &= ~(np.int64(1) << (k - first))
    return mask


@njit(nogil=True, inline="always")
def _mark(variants, x, mask, has_item):
    has_item[x] = True
    first = variants.companions_of[x]
    for k in range(first, variants.companions_of[x + 1]):
        if (mask >> (k - first)) & 1 == 1:
            has_item[variants.companion[k]] = True


@njit(nogil=True)
def _life(streams, variants, presence, times, seed, number, cell, band, born, birth, first_day, last_day, work):
    """Fill ``work`` with the episodes of one person; return how many."""
    item, day, mask, pos, n, has, has_item, common, used, taken = work
    state = start(seed, number, LAYER)
    common[:] = 0.0
    for k in range(len(presence.loadings)):
        state, factor = normal(state)
        of_factor = presence.loadings[k]
        for x in range(len(common)):
            common[x] += of_factor[x] * factor
    n[:] = 0
    has[:] = False
    has_item[:] = False
    state, at = _streams_of_life(
        streams, variants, presence, born, first_day, last_day, state, item, day, mask, has_item
    )
    _by_driver(item, day, mask, at, pos, n)
    for k in range(at):
        has[item[k]] = True
    first_visit = visits = at
    visits_lead, band_of_visits = times.leads.any(), np.int64(0)
    order, threshold, own = presence.order, presence.threshold[cell], presence.own
    first, second, shift = presence.first, presence.second, presence.shift
    for x in order:
        state, u = uniform(state)
        h, parents = threshold[x], 0
        if first[x] >= 0:
            parents = (1 if has[first[x]] else 0) + (2 if second[x] >= 0 and has[second[x]] else 0)
            h -= shift[x, parents]
        if common[x] + own[x] * _NORMAL_ABOVE[np.int64(u * _STEPS_OF_NORMAL)] <= h:
            continue  # most end here, without the quantile itself
        counted_by = band_of_visits if visits_lead and not times.leads[x] else band
        state, count = _times_of(presence, x, h, u, parents, counted_by, has_item, common, state)
        count = min(count, _EPISODES - at)
        if count <= 0:
            continue
        if times.is_regular[x]:
            state, count = _chain(times, x, count, first_day, last_day, state, day, at, pos, n)
            if times.host[x] >= 0:
                state, u = uniform(state)
                if u < times.hosted[x]:
                    _in_phase(variants, times.host[x], first_day, last_day, item, day, mask, at, count)
        else:
            state = _scattered(times, variants, x, count, first_day, last_day, state, day, mask, at, pos, n, used)
        if times.leads[x]:
            visits = at + count  # they stand right after the streams
            band_of_visits = np.searchsorted(times.bands_of_visits, visits - first_visit, side="right")
        elif visits > first_visit:
            state, count = _on_visits(times, x, first_visit, visits, item, day, at, count, taken, state)
        if count == 0:
            continue
        has[x] = True
        pos[x], n[x] = at, count
        for j in range(count):
            item[at + j] = x
            state, mask[at + j] = _companions(variants, presence, x, day[at + j], birth, has_item, state)
            if j > 0 and _same_age(variants, day[at + j - 1], day[at + j]):
                state, mask[at + j] = _taken_over(variants, x, mask[at + j - 1], mask[at + j], state)
            mask[at + j] = _allowed(variants, presence, x, mask[at + j], has_item)
            _mark(variants, x, mask[at + j], has_item)
        at += count
    return at


@njit(nogil=True)
def _by_driver(item, day, mask, episodes, pos, n):
    """Sort episodes so that those of a driver stand together; tell where, and how many."""
    order = np.argsort(item[:episodes], kind="mergesort")
    item[:episodes], day[:episodes] = item[:episodes][order], day[:episodes][order]
    mask[:episodes] = mask[:episodes][order]
    for k in range(episodes - 1, -1, -1):
        pos[item[k]] = k
        n[item[k]] += 1


@njit(nogil=True)
def _grown(array, size):
    if size <= len(array):
        return array
    larger = np.empty(max(size, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger


@njit(nogil=True)
def _work(presence, times):
    """Memory for the life of one person."""
    items, most = len(presence.first), presence.times.shape[2] + 1
    return (
        np.empty(_EPISODES + most, np.int64),
        np.empty(_EPISODES + most, np.int64),
        np.zeros(_EPISODES + most, np.int64),
        np.zeros(items, np.int64),
        np.zeros(items, np.int64),
        np.zeros(items, np.bool_),
        np.zeros(items, np.bool_),
        np.empty(items, np.float64),
        np.zeros((times.trigger.shape[1], max(most, _STEPS) + 1), np.bool_),
        np.empty(_EPISODES + most, np.int64),
    )


@njit(nogil=True, cache=True)
def persons_with(
    streams, variants, presence, times, seed, numbers, cell, band, born, birth, first_day, last_day, sex, sexes
):
    """Count, of lives as ``lives`` makes them, the persons of each sex with each item as a driver, and at all."""
    driven = np.zeros((len(presence.first), sexes), np.int64)
    had = np.zeros((len(presence.first), sexes), np.int64)
    work = _work(presence, times)
    has, has_item = work[5], work[6]
    for p in range(len(numbers)):
        _life(
            streams,
            variants,
            presence,
            times,
            seed,
            numbers[p],
            cell[p],
            band[p],
            born[p],
            birth[p],
            first_day[p],
            last_day[p],
            work,
        )
        for x in range(len(has)):
            driven[x, sex[p]] += has[x]
            had[x, sex[p]] += has_item[x]
    return driven, had


@njit(nogil=True, cache=True)
def lives(streams, variants, presence, times, seed, numbers, cell, band, born, birth, first_day, last_day):
    """Make the events of persons, sorted by day and item; return offsets, items, days and episodes.

    ``cell`` is the stratum of presence of each person, ``band`` that of his numbers, ``born`` his cohort, and
    ``birth`` is in days since 1970.
    """
    persons = len(numbers)
    offsets = np.zeros(persons + 1, np.int64)
    out_item, out_day, out_episode = np.empty(1024, np.int32), np.empty(1024, np.int32), np.empty(1024, np.int32)
    work = _work(presence, times)
    keys = np.empty(1024, np.int64)
    source = np.empty(1024, np.int32)
    at = 0
    for p in range(persons):
        episodes = _life(
            streams,
            variants,
            presence,
            times,
            seed,
            numbers[p],
            cell[p],
            band[p],
            born[p],
            birth[p],
            first_day[p],
            last_day[p],
            work,
        )
        made, keys, source = _records(variants, work[0], work[1], work[2], episodes, keys, source)
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
