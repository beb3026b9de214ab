"""Valleys between the modes of a distribution: where it cannot be the histogram of a density with one mode.

A density with one mode has, in any window, at least as much as in a window of the same width on one of its sides. So
a window that holds less than one on its left and one on its right speaks for two modes, whatever their shape. The idea
of a dip below unimodality: J. A. Hartigan and P. M. Hartigan, The dip test of unimodality, Annals of Statistics 13
(1985) 70-84; counts in windows make the test exact for any number of records.
"""

import math

import numpy as np
from numba import njit

BINS = 64  # of the histogram, for each factor of e
WIDTHS = (16, 32, 64, 128)  # of windows, in bins
_STEPS = 4  # positions of a window in its own width
_DEPTH = 0.6  # of the lower side's density, at most: what rounding and preferred digits do is not as deep
_LEAST_POINTS = 3.0  # values that can be recorded in a window: a heap is no mode
_FINE = 1000.0  # times the grain: from there on values lie so close that rounding does not matter


@njit(nogil=True, cache=True)
def shortfall(fewer, narrow, more, wide):
    """Return the log likelihood that two rates gain, ``fewer`` in ``narrow`` and ``more`` in ``wide``.

    It is 0 when the first rate is not half of the second or less. Under equal rates it exceeds x with a probability of
    at most exp(-x) (Chernoff).
    """
    if not (narrow > 0.0 and wide > 0.0 and fewer / narrow <= _DEPTH * more / wide and more > 0.0):
        return 0.0
    together = (fewer + more) / (narrow + wide)
    found = more * math.log(more / wide / together)
    return found + fewer * math.log(fewer / narrow / together) if fewer > 0.0 else found


@njit(nogil=True, cache=True)
def fill_grain(grain):
    """Give empty bins, NaN, the coarser grain of their nearest neighbours that hold values."""
    before, after = grain.copy(), grain.copy()
    for i in range(1, grain.size):
        if math.isnan(before[i]):
            before[i] = before[i - 1]
    for i in range(grain.size - 2, -1, -1):
        if math.isnan(after[i]):
            after[i] = after[i + 1]
    return np.maximum(before, after)


@njit(nogil=True, cache=True)
def coarsest_nearby(heap):
    """Give each bin the coarsest heap within a factor of e: a heap thins out what lies about it."""
    found = heap.copy()
    for i in range(heap.size):
        found[i] = heap[max(i - BINS, 0) : i + BINS + 1].max()
    return found


@njit(nogil=True, cache=True)
def _points(low, high, grain):
    """Return the first and the last multiple of a grain from ``low`` to below ``high``: k of k * grain."""
    return math.ceil(low / grain - 1e-9), math.ceil(high / grain - 1e-9) - 1


@njit(nogil=True, cache=True)
def measure(grain, heap, lowest):
    """Return (width, points) of every bin from number ``lowest``: how much of a smooth density it can hold.

    Values recorded as multiples of a grain g stand at the points k g only; a density of the logarithm puts 1/k of its
    height there. Without a grain, 0, a bin holds its width. The points are those of the heap, which is coarser.
    """
    width, points = np.full(grain.size, 1.0 / BINS), np.full(grain.size, math.inf)
    for i in range(grain.size):
        low, high = math.exp((lowest + i) / BINS), math.exp((lowest + i + 1) / BINS)
        if 0.0 < high < _FINE * heap[i]:
            first, last = _points(low, high, heap[i])
            points[i] = last - first + 1.0
        if 0.0 < high < _FINE * grain[i]:
            first, last = _points(low, high, grain[i])
            width[i] = 0.0
            for k in range(first, last + 1):
                width[i] += 1.0 / k
    return width, points


@njit(nogil=True, cache=True)
def deepest_valley(counted, measured, points, begin, end):
    """Find the window of the bins begin..end-1 that falls shortest: (shortfall, first bin, end bin), -1 for none.

    ``counted`` and ``measured`` are running sums of the histogram and of its bins' widths, from 0 and one longer.
    """
    best, first, last = 0.0, -1, -1
    for width in WIDTHS:
        step = width // _STEPS
        positions = (end - begin - 1) // step + 1
        held, wide, holds = np.zeros(positions), np.zeros(positions), np.zeros(positions)
        for i in range(positions):
            start = begin + i * step
            stop = min(start + width, end)
            held[i], wide[i] = counted[stop] - counted[start], measured[stop] - measured[start]
            holds[i] = points[start:stop].sum()
        for i in range(_STEPS, positions - _STEPS):
            if holds[i] < _LEAST_POINTS:
                continue
            on_left, on_right = 0.0, 0.0
            for j in range(i - _STEPS + 1):
                if holds[j] < _LEAST_POINTS:
                    continue
                on_left = max(on_left, shortfall(held[i], wide[i], held[j], wide[j]))
            if on_left < best:
                continue
            for j in range(i + _STEPS, positions):
                if holds[j] < _LEAST_POINTS:
                    continue
                on_right = max(on_right, shortfall(held[i], wide[i], held[j], wide[j]))
            found, start = min(on_left, on_right), begin + i * step
            if found > best:
                best, first, last = found, start, start + width
            elif found == best and found > 0.0 and start <= last:
                last = start + width  # an empty stretch is one valley
    return best, first, last


@njit(nogil=True, cache=True)
def _tests(bins):
    """Count the triples of windows that are compared."""
    tests = 1.0
    for width in WIDTHS:
        positions = float(bins // (width // _STEPS) + 1)
        tests += positions * positions * positions / 6.0
    return tests


@njit(nogil=True, cache=True)
def _stacked(rows, columns):
    table = np.empty((len(rows), columns))
    for i in range(len(rows)):
        table[i] = rows[i]
    return table


@njit(nogil=True, cache=True)
def find_valleys(count, grain, heap, lowest, level):
    """Find the valleys of a histogram; return a table of (first bin, end bin, evidence, p), from left to right.

    ``count`` says how many values each bin has; bin i holds values from exp((lowest + i) / BINS). ``grain`` is what
    nearly all values about a bin are multiples of (10, 1, 0.1 ...; 0 for nothing), ``heap`` what many of them are
    multiples of; both are NaN where there are no values.

    A distribution with one mode is given one with a probability of at most ``level``: p is Chernoff's bound times the
    number of windows compared (Bonferroni). Either side of a valley is then looked at for itself.
    """
    bins = count.size
    width, points = measure(fill_grain(grain), coarsest_nearby(fill_grain(heap)), lowest)
    counted, measured = np.zeros(bins + 1), np.zeros(bins + 1)
    counted[1:], measured[1:] = np.cumsum(count), np.cumsum(width)
    tests = _tests(bins)
    waiting = [(0, bins)]
    rows = [np.empty(0) for _ in range(0)]
    while len(waiting) > 0:
        begin, end = waiting.pop()
        strength, first, last = deepest_valley(counted, measured, points, begin, end)
        p = tests * math.exp(-strength)
        if first >= 0 and p <= level:
            last = min(last, end)
            rows.append(np.array([lowest + first, lowest + last, strength, p]))
            middle = (first + last) // 2
            waiting.append((middle, end))
            waiting.append((begin, middle))
    found = _stacked(rows, 4)
    return found[np.argsort(found[:, 0])]


@njit(nogil=True, cache=True)
def find_all_valleys(series, bin_number, count, grain, heap, number, level):
    """Find the valleys of ``number`` histograms; return a table of (series, first bin, end bin, evidence, p).

    ``series``, ``bin_number``, ``count``, ``grain`` and ``heap`` have one entry for each bin that holds values, sorted
    by the first two.
    """
    rows = [np.empty(0) for _ in range(0)]
    at = 0
    for s in range(number):
        until = at
        while until < series.size and series[until] == s:
            until += 1
        if until == at:
            continue
        lowest = bin_number[at]
        bins = bin_number[until - 1] - lowest + 1
        counts, grains, heaps = np.zeros(bins), np.full(bins, np.nan), np.full(bins, np.nan)
        for i in range(at, until):
            place = bin_number[i] - lowest
            counts[place], grains[place], heaps[place] = count[i], grain[i], heap[i]
        for valley in find_valleys(counts, grains, heaps, lowest, level):
            rows.append(np.array([s, valley[0], valley[1], valley[2], valley[3]]))
        at = until
    return _stacked(rows, 5)
