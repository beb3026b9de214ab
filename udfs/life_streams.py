"""Streams with state, such as vaccinations and cycles: each step depends on the doses and the steps before."""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .life_companions import allowed, mark_had, meets
from .life_tables import EPISODES, STEPS
from .stream import below, mixed, uniform

_NONE = -1
_INFANT, _MONTHS, _OLDEST = 730, 61, 127


@borrowing
def walk(streams, variants, presence, born, first_day, last_day, state, item, day, mask, has_item):
    """Walk through all streams; return the state of chance and the number of episodes."""
    at = 0
    for stream in range(streams.dosed.shape[0]):
        last, last_mask, doses, now = _NONE, 0, 0, first_day
        for _ in range(STEPS):
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
            if now > last_day or at >= EPISODES:
                break
            last, last_mask = streams.driver[k], streams.mask[k]
            if not meets(presence.excluded_offsets, presence.excluded, last, has_item):
                item[at], day[at] = last, now
                mask[at] = allowed(variants, presence, last, last_mask, has_item)
                mark_had(variants, last, mask[at], has_item)
                at += 1
            doses = _with_dose(streams.dosed[stream], variants, doses, last, last_mask)
    return state, at


@borrowing
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


@borrowing
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


@borrowing
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
