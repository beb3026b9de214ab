"""When the series of a stay are measured: by gaps that follow each other, or at moments of a parent series."""

import math
from typing import NamedTuple

import numpy as np

from .borrowing import borrowing
from .histograms import draw_place, edge_of
from .stay_edges import COUNT_EDGES
from .stream import below, uniform

_TRIES = 8
_FEW = 8


class Times(NamedTuple):
    """When each series is measured."""

    order: np.ndarray
    parent: np.ndarray
    first: np.ndarray  # (series, band): minute
    opening: np.ndarray  # (series, band): class of the first gap
    turn: np.ndarray  # (series, band, class): class of the next gap
    gap: np.ndarray  # (series, class): minutes
    inside: np.ndarray  # (series,): eighths of the moments that are the parent's
    skip: np.ndarray  # (series, tenth, state): moments of the parent passed over


@borrowing
def _fit_in(minute, held, count, reach, state):
    """Bring sorted moments to exactly ``count``: leave some out, or put some into wide gaps.

    Of few moments the first ones stay: their gaps are those of runs that end after so few.
    """
    if count <= _FEW:
        held = min(held, count)
    while held > count:
        state, leave = below(state, held)
        for i in range(leave, held - 1):
            minute[i] = minute[i + 1]
        held -= 1
    while held < count:
        best, widest = -1, 2
        for _ in range(3 if held > 1 else 0):
            state, at = below(state, held - 1)
            if minute[at + 1] - minute[at] > widest:
                best, widest = at, minute[at + 1] - minute[at]
        if best >= 0:
            moment = (minute[best] + minute[best + 1]) >> 1
        else:
            state, moment = below(state, reach)
        i = held
        while i > 0 and minute[i - 1] > moment:
            minute[i] = minute[i - 1]
            i -= 1
        minute[i] = moment
        held += 1
    return state


@borrowing
def _chain(bins, times, one, band, count, reach, minute, trial, state):
    """Moments that follow each other by gaps: the try of several that comes nearest to ``count``."""
    closest, held = 1 << 40, 0
    for _ in range(_TRIES):
        state, u = uniform(state)
        moment = math.floor(draw_place(bins, times.first[one, band], u)) if times.first[one, band] >= 0 else 0
        many, kind = 0, -1
        while moment < reach and many < trial.size:
            trial[many] = moment
            many += 1
            state, u = uniform(state)
            table = times.opening[one, band] if kind < 0 else times.turn[one, band, kind]
            kind = math.floor(draw_place(bins, table, u)) if table >= 0 else max(kind, 0)
            state, u = uniform(state)
            table = times.gap[one, kind]
            moment += max(math.floor(draw_place(bins, table, u)), 1) if table >= 0 else 240
        if abs(many - count) < closest:
            closest, held = abs(many - count), min(many, minute.size)
            _copy(trial, held, minute)
        if closest == 0:
            break
    return _fit_in(minute, held, count, reach, state)


@borrowing
def _beside(bins, times, one, band, others, reach, state):
    """A free moment at a usual gap from one of ``others``, before or after it; anywhere when there is no such place."""
    for _ in range(_TRIES if others.size > 0 and times.opening[one, band] >= 0 else 0):
        state, near = below(state, others.size)
        state, u = uniform(state)
        table = times.gap[one, math.floor(draw_place(bins, times.opening[one, band], u))]
        state, u = uniform(state)
        gap = math.floor(draw_place(bins, table, u)) if table >= 0 else 0
        state, after = below(state, 2)
        moment = others[near] + (gap if after == 1 else -gap)
        if 0 <= moment < reach and not _is_taken(others, moment):
            return state, moment
    state, moment = below(state, reach)
    for _ in range(_TRIES):
        if not _is_taken(others, moment):
            break
        state, moment = below(state, reach)
    return state, moment


@borrowing
def _is_taken(minute, moment):
    """Whether a moment is among sorted ones."""
    at = np.searchsorted(minute, moment)
    return at < minute.size and minute[at] == moment


@borrowing
def _copy(source, size, to):
    for i in range(size):
        to[i] = source[i]


@borrowing
def _follow(bins, times, one, band, others, count, reach, minute, trial, state):
    """Moments taken from the parent's (``others``), passing over some; the rest anywhere."""
    inside = 0
    state, u = uniform(state)
    eighths = draw_place(bins, times.inside[one], u) if times.inside[one] >= 0 else 8.0
    state, u = uniform(state)
    wanted = count if eighths >= 8.0 else min(math.floor(count * min(eighths, 7.999) / 8.0 + u), count)
    wanted = min(wanted, others.size)
    tenth = min(10 * wanted // others.size, 10)
    closest = 1 << 40
    for _ in range(_TRIES if wanted > 0 else 0):
        hits, at, state_of_skip = 0, -1, 0
        while hits < others.size:
            table = times.skip[one, tenth, state_of_skip]
            state, u = uniform(state)
            at += 1 + (math.floor(draw_place(bins, table, u)) if table >= 0 else 0)
            if at >= others.size:
                break
            trial[hits] = at
            hits += 1
            if wanted == 1:
                break
            state_of_skip = 1
        if abs(hits - wanted) < closest:
            closest, inside = abs(hits - wanted), min(hits, minute.size)
            _copy(trial, inside, minute)
        if closest == 0:
            break
    if wanted <= _FEW // 2:
        inside = min(inside, wanted)
    while inside > wanted:
        state, leave = below(state, inside)
        for i in range(leave, inside - 1):
            minute[i] = minute[i + 1]
        inside -= 1
    while inside < wanted:  # the n-th of the parent's moments that is still free
        state, free = below(state, others.size - inside)
        i = 0
        while i < inside and minute[i] <= free + i:
            i += 1
        for j in range(inside, i, -1):
            minute[j] = minute[j - 1]
        minute[i] = free + i
        inside += 1
    for i in range(inside):
        minute[i] = others[minute[i]]
    while inside < count:
        state, u = uniform(state)
        if inside == 0 and times.first[one, band] >= 0:
            moment = min(math.floor(draw_place(bins, times.first[one, band], u)), reach - 1)
        else:
            state, moment = _beside(bins, times, one, band, minute[:inside], reach, state)
        i = inside
        while i > 0 and minute[i - 1] > moment:
            minute[i] = minute[i - 1]
            i -= 1
        minute[i] = moment
        inside += 1
    return state


@borrowing(error_model="numpy")
def fill_moments(bins, times, counts, reach, own, series, minute, room, state):
    """Fill the series of each record of a stay and its minute; those of series k stand from ``own[k]`` on."""
    moments, trial = room
    for k in range(counts.size):
        series[own[k] : own[k + 1]] = k
    for at in range(counts.size):
        k = times.order[at]
        count, parent = counts[k], times.parent[k]
        if count == 0:
            continue
        band = edge_of(COUNT_EDGES, count)
        if parent >= 0 and counts[parent] > 0:
            others = minute[own[parent] : own[parent + 1]]
            state = _follow(bins, times, k, band, others, count, reach, moments, trial, state)
        else:
            state = _chain(bins, times, k, band, count, reach, moments, trial, state)
        for i in range(count):
            minute[own[k] + i] = moments[i]
    return state
