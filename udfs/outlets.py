"""From the levels of a stay to its values: its ends are brought to where those of others are, and cells hold values."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .borrowing import borrowing
from .histograms import row_of, tilted
from .stream import mixed, start, uniform
from .trajectory import LAYER

_SHORT = 3  # records whose ends the mean and the spread tell
_NARROWEST, _WIDEST = 0.67, 4.0  # below two thirds, levels would change their order
_OUTLET = 0x0DDB1A5E
_DECADE = 900  # bins of three digits
_DECIMALS = 10  # from here on: any digits
_SLACK = 1e-6


class Outlets(NamedTuple):
    """From levels to values: cell c of a series reaches up to level ``upto[c]``; it holds ``size`` bins of values."""

    starts: np.ndarray
    upto: np.ndarray
    first: np.ndarray
    size: np.ndarray
    tilt: np.ndarray
    shown: np.ndarray  # (series, decimals): share of values that show no more of them; beyond the last: any digits


class Ends(NamedTuple):
    """Where the highest and the lowest level of a stay are brought to: from one level to another, (series, knots)."""

    top: np.ndarray
    raised: np.ndarray
    bottom: np.ndarray
    lowered: np.ndarray


@borrowing
def _value(outlets, one, level, u, shown):
    """The value at a level: the cell that holds it, and its place there. ``u`` and ``shown`` are uniform."""
    begin, end = outlets.starts[one], outlets.starts[one + 1]
    if begin == end:
        return math.nan
    row = row_of(outlets.upto, begin, end, level)
    inside = u
    if begin < row < end - 1:
        width = outlets.upto[row] - outlets.upto[row - 1]
        inside = (level - outlets.upto[row - 1]) / width if width > 1e-9 else u
    return value_in(outlets, one, row, min(max(inside, 0.0), 0.999999), shown)


@njit(inline="always", nogil=True)
def value_in(outlets, one, row, inside, shown):
    """The value of series ``one`` at the share ``inside`` of a cell, with the decimals of the share ``shown``."""
    decimals = 0
    while decimals < outlets.shown.shape[1] and outlets.shown[one, decimals] <= shown:
        decimals += 1
    return number_of(tilted(inside, outlets.tilt[row]), outlets.first[row], outlets.size[row], decimals)


@borrowing
def number_of(inside, first, size, decimals):
    """The number at the share ``inside`` of a cell of bins, with so many decimals, or as few more as the cell needs.

    A bin holds the numbers with the same first three digits. In a cell of one decade all numbers with so many decimals
    come as often; over several, one ten times as large comes a tenth as often, and around 0 all bins do.
    """
    code = math.floor(first + inside * size)
    if code == 0:
        return 0.0
    sign, most = (1.0, first + size - 1) if code > 0 else (-1.0, -first)
    least = first if code > 0 else 1 - first - size
    even = least > 0 and (least - 1) // _DECADE == (most - 1) // _DECADE
    share = inside if code > 0 else 1.0 - inside
    low, top = _edge(max(least, 1)), _edge(most) + _unit(most)
    if even:
        number = low + share * (top - low)
    elif least > 0:
        number = low * (top / low) ** share
        unit = 10.0 ** (math.floor(math.log10(number) + 1e-12) - 2.0)
        low = max(math.floor(number / unit + _SLACK) * unit, low)
    else:
        share = abs(first + inside * size - code - (0.0 if code > 0 else 1.0))
        low = _edge(abs(code))
        number = low + share * _unit(abs(code))
    for shown in range(decimals, _DECIMALS):
        scale = 10.0**shown
        lowest, above = math.ceil(low * scale - _SLACK), math.ceil(top * scale - _SLACK)
        step = lowest + math.floor(share * (above - lowest)) if even else max(math.floor(number * scale), lowest)
        if lowest < above and step < above:
            return sign * step / scale
    return sign * number


@njit(inline="always", nogil=True)
def _unit(code):
    return 10.0 ** ((code - 1) // _DECADE - 22)


@njit(inline="always", nogil=True)
def _edge(code):
    """The smallest number of a bin above 0."""
    return ((code - 1) % _DECADE + 100) * _unit(code)


@njit(inline="always", nogil=True)
def _brought(x, since, to):
    """A broken line through knots; beyond them it goes on as far from them as they are brought."""
    last = since.size - 1
    if x <= since[0]:
        return x + to[0] - since[0]
    if x >= since[last]:
        return x + to[last] - since[last]
    at = np.searchsorted(since, x)
    width = since[at] - since[at - 1]
    inside = (x - since[at - 1]) / width if width > 0.0 else 0.0
    return to[at - 1] + inside * (to[at] - to[at - 1])


@njit(nogil=True)
def _stretch(ends, one, level):
    """Bring the highest and the lowest level to their ends; others follow the less the nearer they are to the mean.

    Mean and spread stay: those between give back what the ends take.
    """
    mean, top, bottom = 0.0, -math.inf, math.inf
    for x in level:
        mean += x
        top, bottom = max(top, x), min(bottom, x)
    mean /= level.size
    if top - bottom < 1e-9:
        return
    up = (_brought(top, ends.top[one], ends.raised[one]) - mean) / (top - mean)
    down = (mean - _brought(bottom, ends.bottom[one], ends.lowered[one])) / (mean - bottom)
    up, down = min(max(up, _NARROWEST), _WIDEST), min(max(down, _NARROWEST), _WIDEST)
    inner, both, outer = 1e-12, 0.0, 0.0  # of the squares, by powers of the factor of those between
    for x in level:
        square = (x - mean) ** 2
        share = square / ((top - mean) ** 2 if x > mean else (mean - bottom) ** 2)
        end = (up if x > mean else down) * share
        inner += square * (1.0 - share) ** 2
        both += square * (1.0 - share) * end
        outer += square * (end * end - 1.0)
    between = (math.sqrt(max(both * both - inner * outer, 0.0)) - both) / inner
    between = min(max(between, _NARROWEST), 1.0 / _NARROWEST)
    moved = 0.0
    for i in range(level.size):
        far = level[i] - mean
        share = (far / (top - mean if far > 0.0 else mean - bottom)) ** 2
        far *= between + ((up if far > 0.0 else down) - between) * share
        level[i] = mean + far
        moved += far
    top, bottom = mean + up * (top - mean), mean - down * (mean - bottom)
    free = 1e-12
    for x in level:
        free += max(1.0 - ((x - mean) / (top - mean if x > mean else mean - bottom)) ** 2, 0.0)
    for i in range(level.size):
        share = ((level[i] - mean) / (top - mean if level[i] > mean else mean - bottom)) ** 2
        level[i] -= moved / free * max(1.0 - share, 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_ends(ends, begins, series, level):
    """Bring the ends of each series of each stay, of more than three records, to their places; ``level`` changes."""
    for stay in range(begins.size - 1):
        begin = begins[stay]
        while begin < begins[stay + 1]:
            end = begin
            while end < begins[stay + 1] and series[end] == series[begin]:
                end += 1
            if end - begin > _SHORT:
                _stretch(ends, series[begin], level[begin:end])
            begin = end


@njit(nogil=True, cache=True, error_model="numpy")
def fill_outlets(outlets, seed, numbers, ordinals, begins, series, level, value):
    """Write the value of each record at its level."""
    for stay in range(numbers.size):
        state = mixed(start(seed, numbers[stay], LAYER + 2 * ordinals[stay] + 1) ^ np.uint64(_OUTLET))
        for i in range(begins[stay], begins[stay + 1]):
            state, u = uniform(state)
            state, shown = uniform(state)
            value[i] = _value(outlets, series[i], level[i], u, shown)
