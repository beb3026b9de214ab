"""Released histograms to draw from: a place at a share, and a normal number for a place."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .borrowing import borrowing
from .normal import norm_ppf


class Bins(NamedTuple):
    """Histograms one after another: that of number h has rows ``starts[h]`` to ``starts[h + 1]``."""

    starts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    upto: np.ndarray
    tilt: np.ndarray  # how the density rises (to 1) or falls (to -1) inside a bin


@njit(inline="always", nogil=True)
def row_of(upto, begin, end, u):
    """The first row whose cumulative probability exceeds ``u``."""
    while begin < end - 1:
        middle = (begin + end - 1) >> 1
        if upto[middle] > u:
            end = middle + 1
        else:
            begin = middle + 1
    return begin


@borrowing
def draw_place(bins, histogram, u):
    """The place at cumulative probability ``u``: between the low end of a bin and its high end + 1."""
    begin = bins.starts[histogram]
    row = row_of(bins.upto, begin, bins.starts[histogram + 1], u)
    below_ = bins.upto[row - 1] if row > begin else 0.0
    inside = min(max((u - below_) / max(bins.upto[row] - below_, 1e-12), 0.0), 0.999999)
    return bins.low[row] + tilted(inside, bins.tilt[row]) * (bins.high[row] - bins.low[row] + 1)


@njit(inline="always", nogil=True)
def tilted(u, tilt):
    """Where in a bin the share ``u`` is reached, when its density changes evenly from 1 - tilt to 1 + tilt."""
    if abs(tilt) < 1e-3:
        return u
    rest = 1.0 - tilt
    return (math.sqrt(rest * rest + 4.0 * tilt * u) - rest) / (2.0 * tilt)


@borrowing
def normal_of(bins, histogram, at, u):
    """A normal number for what lies in bin ``at``, spread by ``u`` inside it."""
    begin, end = bins.starts[histogram], bins.starts[histogram + 1]
    row = begin
    while row < end - 1 and at > bins.high[row]:
        row += 1
    low = bins.upto[row - 1] if row > begin else 0.0
    width = bins.high[row] - bins.low[row] + 1
    inside = min(max((at - bins.low[row] + u) / width, 0.001), 0.999)
    return norm_ppf(min(max(low + inside * (bins.upto[row] - low), 1e-6), 1.0 - 1e-6))


@njit(inline="always", nogil=True)
def edge_of(edges, count):
    """How many edges a count has reached, less one."""
    at = -1
    while at + 1 < edges.size and count >= edges[at + 1]:
        at += 1
    return at
