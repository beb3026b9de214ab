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


class Outlets(NamedTuple):
    """From levels to values: cell c of a series reaches up to level ``upto[c]``; it holds ``size`` bins of values."""

    starts: np.ndarray
    upto: np.ndarray
    first: np.ndarray
    size: np.ndarray
    tilt: np.ndarray
    scale: np.ndarray  # (series,): values a unit; 0 for values of any digits


class Ends(NamedTuple):
    """Where the highest and the lowest level of a stay are brought to: from one level to another, (series, knots)."""

    top: np.ndarray
    raised: np.ndarray
    bottom: np.ndarray
    lowered: np.ndarray


@borrowing
def _value(outlets, one, level, u):
    """The value at a level: the cell that holds it, and its place there."""
    begin, end = outlets.starts[one], outlets.starts[one + 1]
    if begin == end:
        return math.nan
    row = row_of(outlets.upto, begin, end, level)
    inside = u
    if begin < row < end - 1:
        width = outlets.upto[row] - outlets.upto[row - 1]
        inside = (level - outlets.upto[row - 1]) / width if width > 1e-9 else u
    place = outlets.first[row] + tilted(min(max(inside, 0.0), 0.999999), outlets.tilt[row]) * outlets.size[row]
    code = math.floor(place)
    return number_of(code, place - code, outlets.scale[one])


@njit(inline="always", nogil=True)
def number_of(code, inside, scale):
    """A number whose first three digits are those of bin ``code``, on the grid of ``scale`` values a unit."""
    if code == 0:
        return 0.0
    digits, unit = (abs(code) - 1) % 900 + 100, 10.0 ** ((abs(code) - 1) // 900 - 22)
    number = (digits + (inside if code > 0 else 1.0 - inside)) * unit
    if scale > 0.0:
        number = max(math.floor(number * scale), math.ceil(digits * unit * scale - 1e-6)) / scale
    return number if code > 0 else -number


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
            value[i] = _value(outlets, series[i], level[i], u)
