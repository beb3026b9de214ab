"""Measurements of a stay: how many of each series, when, and their values along correlated paths.

A stay is described by normal numbers, correlated by a Cholesky factor: its statics (given), and for each series the
count, mean, trend and spread of its values. Times follow gaps, or the moments of a parent series. Values follow an
autoregression with correlated steps and noise; the path is then centred, freed of its trend and scaled, so that the
levels have just the mean, trend and spread that were drawn.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .borrowing import borrowing
from .even import block_key, even
from .histograms import draw_place, edge_of, normal_of
from .moments import fill_moments
from .normal import norm_cdf, norm_ppf
from .stay_edges import CELL_EDGES, COUNT_EDGES, GROUP_EDGES, ZONE_EDGES
from .stream import normal, start, uniform
from .walk import fill_walk

STATICS = 3
LAYER = 5 << 16  # two streams a stay
_NONE = -500_000  # a difference of counts below it says: not measured
_SCORES, _TRENDS = 256.0, 128.0
_SMALLEST = 2.0**-20
_PER_DOUBLING = 16.0
_HOUR = 60.0


class Counts(NamedTuple):
    """How often each series is measured. Tables hold numbers of histograms."""

    factor: np.ndarray  # Cholesky factor (dimensions, dimensions)
    statics: np.ndarray  # (3, strata)
    count: np.ndarray  # (strata, series)
    order: np.ndarray  # series, parents before children
    parent: np.ndarray  # (series,), -1 without
    along: np.ndarray  # (series, cell of the parent's count): the difference
    level: np.ndarray  # (strata, series): mean of the normal numbers of those with a parent
    scale: np.ndarray  # (series,): and their spread inside a stratum


class Paths(NamedTuple):
    """How values move."""

    level: np.ndarray  # (strata, series, summaries and steady mean): mean of the normal numbers of a stratum
    scale: np.ndarray  # and their spread
    band_level: np.ndarray  # (series, band of counts): mean of the normal numbers of means
    band_scale: np.ndarray
    mean: np.ndarray  # (series, whether all values are the same)
    trend: np.ndarray  # (series, group, zone of the spread)
    spread: np.ndarray  # (series, group)
    steady: np.ndarray  # (series, group): share of those whose values are all the same
    steadier: np.ndarray  # (strata, series): how much further down the normal number of such a spread reaches
    gain: np.ndarray  # (series,): factor of spreads
    shape: np.ndarray  # (series, zone of the mean): distance from the line, in eighths of a spread
    entry: np.ndarray  # that of the first record
    keep: np.ndarray  # (series,): what remains of a deviation after an hour
    share: np.ndarray  # (series,): share of the variance that is kept, not noise
    smooth: np.ndarray  # (series,): from 0, a path that forgets at once where it was going, to 1, one that keeps on
    steps: np.ndarray  # Cholesky factor of the steps (joined, joined)
    noise: np.ndarray  # Cholesky factor of the noise


@njit(inline="always", nogil=True)
def _cell(count):
    if count <= 10:
        return count
    at = 0
    while at < CELL_EDGES.size and count > CELL_EDGES[at]:
        at += 1
    return 10 + at


@njit(nogil=True, cache=True, error_model="numpy")
def fill_counts(bins, counts, seed, numbers, ordinals, strata, given, normals, found):
    """Draw what describes each stay (``normals``) and how often each series is measured (``found``).

    ``given`` (stays, 3) holds the bins of age, length and sex; ``ordinals`` numbers the stays of a person.
    """
    dimensions, series = counts.factor.shape[0], counts.parent.size
    joined = (dimensions - STATICS) // 4
    plain = np.empty(dimensions)
    for stay in range(numbers.size):
        layer = LAYER + 2 * ordinals[stay]
        state, key = start(seed, numbers[stay], layer), block_key(seed, numbers[stay], layer)
        for i in range(dimensions):
            state, u = uniform(state)
            u = even(key, numbers[stay], i, u)
            if i < STATICS:
                histogram = counts.statics[i, strata[stay]]
                z = normal_of(bins, histogram, given[stay, i], u) if histogram >= 0 else norm_ppf(u)
                for j in range(i):
                    z -= counts.factor[i, j] * plain[j]
                plain[i] = z / counts.factor[i, i]
            else:
                plain[i] = norm_ppf(u)
            z = 0.0
            for j in range(i + 1):
                z += counts.factor[i, j] * plain[j]
            normals[stay, i] = z
        for k in range(series):
            one = counts.order[k]
            if one < joined:
                u = norm_cdf(counts.scale[one] * normals[stay, STATICS + one] + counts.level[strata[stay], one])
            else:
                state, u = uniform(state)
                u = even(key, numbers[stay], dimensions + one, u)
            parent = counts.parent[one]
            histogram = counts.along[one, _cell(found[stay, parent])] if parent >= 0 else -1
            if histogram >= 0:
                apart = math.floor(draw_place(bins, histogram, u))
                found[stay, one] = 0 if apart < _NONE else max(found[stay, parent] + apart, 1)
            elif counts.count[strata[stay], one] >= 0:
                found[stay, one] = math.floor(draw_place(bins, counts.count[strata[stay], one], u))


@njit(inline="always", nogil=True)
def _distance(bins, histogram, u):
    """A signed distance on the logarithmic scale."""
    at = draw_place(bins, histogram, u) - 0.5
    if abs(at) < 0.5:
        return 0.0
    return math.copysign(_SMALLEST * 2.0 ** (abs(at) / _PER_DOUBLING), at)


@borrowing
def _settle(bins, paths, one, described, minute, level):
    """Give a path the mean, trend and spread that its normal numbers (``described``) say.

    The fourth one is the mean of a path whose values are all the same.
    """
    count = level.size
    group = edge_of(GROUP_EDGES, count)
    table = paths.spread[one, group]
    spread = _distance(bins, table, norm_cdf(described[2])) if count > 1 and table >= 0 else 0.0
    steady = count > 1 and spread == 0.0
    spread *= paths.gain[one]
    table = paths.trend[one, group, edge_of(ZONE_EDGES, described[2]) + 1]
    trend = (draw_place(bins, table, norm_cdf(described[1])) - 0.5) / _TRENDS if count > 1 and table >= 0 else 0.0
    trend = min(max(trend, -1.0), 1.0) if count > 2 else math.copysign(1.0, trend)
    band = edge_of(COUNT_EDGES, count)
    z = described[3] if steady else paths.band_level[one, band] + paths.band_scale[one, band] * described[0]
    table = paths.mean[one, int(steady)]
    mean = (draw_place(bins, table, norm_cdf(z)) - 0.5) / _SCORES if table >= 0 else 0.0
    zone = edge_of(ZONE_EDGES, mean) + 1
    if count > 3 and paths.shape[one, zone] >= 0:
        for i in range(count):
            table = paths.entry[one, zone] if i == 0 and paths.entry[one, zone] >= 0 else paths.shape[one, zone]
            level[i] = draw_place(bins, table, norm_cdf(level[i])) / 8.0
    centre, time = 0.0, 0.0
    for i in range(count):
        centre += level[i]
        time += minute[i]
    centre, time = centre / count, time / count
    covariance, variance = 0.0, 1e-9
    for i in range(count):
        covariance += (minute[i] - time) * (level[i] - centre)
        variance += (minute[i] - time) ** 2
    squares = 1e-12
    for i in range(count):
        level[i] -= centre + covariance / variance * (minute[i] - time)
        squares += level[i] * level[i]
    line = trend / math.sqrt(variance / count)
    around = math.sqrt((1.0 - trend * trend) / (squares / count))
    for i in range(count):
        level[i] = mean + spread * (line * (minute[i] - time) + around * level[i])


@borrowing
def _spread_number(paths, stratum, one, group, z):
    """The normal number of a spread in its stratum, given that in all: who is steady is told first."""
    share = paths.steady[one, group]
    if share > 0.0:
        u, upto = norm_cdf(z), norm_cdf(norm_ppf(share) + paths.steadier[stratum, one])
        if u < upto:
            return norm_ppf(0.5 * share)
        z = norm_ppf(min(max((u - upto) / (1.0 - upto), 1e-6), 1.0 - 1e-6))
    z = paths.level[stratum, one, 2] + paths.scale[stratum, one, 2] * z
    return norm_ppf(min(share + (1.0 - share) * norm_cdf(z), 1.0 - 1e-6)) if share > 0.0 else z


@borrowing(error_model="numpy")
def _levels(bins, paths, stratum, normals, own, minute, level, described, state):
    """Give the path of each series of a stay what its normal numbers say."""
    joined = (normals.size - STATICS) // 4
    for k in range(own.size - 1):
        if own[k] == own[k + 1]:
            continue
        for summary in range(3):
            if k < joined:
                described[summary] = normals[STATICS + (summary + 1) * joined + k]
            else:
                state, described[summary] = normal(state)
        described[3] = described[0]
        for placed in (0, 1, 3):
            described[placed] *= paths.scale[stratum, k, placed]
            described[placed] += paths.level[stratum, k, placed]
        group = edge_of(GROUP_EDGES, own[k + 1] - own[k])
        described[2] = _spread_number(paths, stratum, k, group, described[2])
        _settle(bins, paths, k, described, minute[own[k] : own[k + 1]], level[own[k] : own[k + 1]])
    return state


@njit(nogil=True, cache=True, error_model="numpy")
def fill_values(
    bins,
    times,
    paths,
    seed,
    numbers,
    ordinals,
    strata,
    reach,
    normals,
    counts,
    begins,
    series,
    minute,
    level,
):
    """Write the records of each stay from ``begins[stay]`` on: series, minute and level (a normal score)."""
    width = counts.shape[1]
    described, own = np.empty(4), np.empty(width + 1, np.int64)
    most = counts.max() if counts.size else 0
    room = np.empty(2 * most + 8, np.int64), np.empty(2 * most + 8, np.int64)
    steps = np.empty((5, paths.keep.size))
    for stay in range(numbers.size):
        state = start(seed, numbers[stay], LAYER + 2 * ordinals[stay] + 1)
        begin, end = begins[stay], begins[stay + 1]
        own[0] = begin
        for k in range(width):
            own[k + 1] = own[k] + counts[stay, k]
        state = fill_moments(bins, times, counts[stay], reach[stay], own, series, minute, room, state)
        order = np.argsort(minute[begin:end], kind="mergesort")
        state = fill_walk(paths, minute[begin:end], series[begin:end], order, level[begin:end], steps, state)
        state = _levels(bins, paths, strata[stay], normals[stay], own, minute, level, described, state)


@borrowing(cache=True, error_model="numpy")
def fill_uniforms(seed, numbers, ordinals, found):
    """Draw a row of uniform numbers for each stay of a person, evenly in a block of persons."""
    for stay in range(numbers.size):
        layer = LAYER - 1 - ordinals[stay]
        state, key = start(seed, numbers[stay], layer), block_key(seed, numbers[stay], layer)
        for i in range(found.shape[1]):
            state, u = uniform(state)
            found[stay, i] = even(key, numbers[stay], i, u)
