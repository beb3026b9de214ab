"""Public axes: where a number falls, whatever the data are, so that two hospitals count on the same bins.

Values fall on numbers of three significant digits. What is computed from them (a person's mean, trend, spread) lives on
a logarithmic scale, on which a change of one percent is as far at 10 as at 1,000.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from omopsql.udfs.bucket import resolution

from ..lives import Doubles, Int64s

_DECADES = 20
_PER_DECADE = 900
LEVELS = 4096  # bins of the logarithmic scale in one unit of it
SCORES = 256  # bins of a normal score in one unit of it
TRENDS = 128  # bins of a correlation in one unit of it
DIGITS = 10  # a step of this many decimals means: no step
_SMALLEST = 2.0**-20
_NEARLY = 0.98  # of the persons
_PER_DOUBLING = 16


@njit(inline="always", nogil=True)
def leveled(x):
    """The logarithmic scale: log(1 + x), mirrored for negative numbers."""
    return math.copysign(math.log1p(abs(x)), x)


@njit(cache=True, nogil=True)
def value_bins(values):
    """Bins of values: the number of three significant digits at or below the magnitude, in the order of the values."""
    bins = np.empty(values.size, np.int64)
    for i in range(values.size):
        magnitude = abs(values[i])
        if not magnitude >= 10.0**-_DECADES:
            bins[i] = 0
            continue
        decade = min(math.floor(math.log10(magnitude) + 1e-12), _DECADES - 1)
        digits = min(max(math.floor(magnitude / 10.0 ** (decade - 2) + 1e-6), 100), 999)
        code = (decade + _DECADES) * _PER_DECADE + digits - 99
        bins[i] = code if values[i] > 0.0 else -code
    return bins


def value_edges(bins: Int64s) -> tuple[Doubles, Doubles]:
    """The lowest and the highest number of three digits in each bin; equal but for rounding."""
    code = np.abs(bins) - 1
    unit = 10.0 ** (code // _PER_DECADE - _DECADES - 2.0)
    near = np.where(bins == 0, 0.0, (code % _PER_DECADE + 100) * unit)
    far = np.where(bins == 0, 0.0, near + unit)
    return np.where(bins < 0, -far, near), np.where(bins < 0, -near, far)


@njit(cache=True, nogil=True)
def decimals(values):
    """How many decimals each value shows, 0 to 9; 10 when it shows more."""
    found = np.empty(values.size, np.int64)
    for i in range(values.size):
        step = resolution(values[i])
        found[i] = DIGITS if step == 0.0 else math.floor(-math.log10(step) + 0.5)
    return found


def shares_shown(shown: Int64s, persons: Int64s) -> Doubles:
    """The share of values that show no more than 0, 1 ... 9 decimals, from the persons whose value shows as many.

    What nearly nobody's value shows is a slip, and not told. Without any persons, values are whole numbers.
    """
    if not len(shown):
        return np.ones(DIGITS)
    upto = np.cumsum(np.bincount(shown, persons, DIGITS + 1)) / persons.sum()
    upto[np.searchsorted(upto, _NEARLY) :] = 1.0
    return np.asarray(upto[:DIGITS])


def level_bins(levels: Doubles) -> Int64s:
    """Bins of a place on the logarithmic scale."""
    return np.floor(levels * LEVELS + 0.5).astype(np.int64)


def score_bins(scores: Doubles) -> Int64s:
    """Bins of a normal score."""
    return np.floor(scores * SCORES + 0.5).astype(np.int64)


def trend_bins(trends: Doubles) -> Int64s:
    """Bins of a correlation with time."""
    return np.floor(trends * TRENDS + 0.5).astype(np.int64)


def spread_bins(sizes: Doubles) -> Int64s:
    """Bins of a distance on the logarithmic scale, with its sign: about four percent wide."""
    doublings = np.log2(np.maximum(np.abs(sizes), _SMALLEST) / _SMALLEST)
    return (np.sign(sizes) * np.floor(doublings * _PER_DOUBLING + 0.5)).astype(np.int64)


def spreads_of(bins: Doubles) -> Doubles:
    """Undo ``spread_bins``, for bins with a fraction."""
    return np.where(np.abs(bins) < 0.5, 0.0, np.sign(bins) * _SMALLEST * 2.0 ** (np.abs(bins) / _PER_DOUBLING))
