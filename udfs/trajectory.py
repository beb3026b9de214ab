"""Measurements of a stay: how many of each series, when, and their values along correlated paths.

A stay is described by normal numbers, correlated by a Cholesky factor: its statics (given), and for each series the
count, mean, trend and spread of its values. Times follow gaps, or the moments of a parent series. Values follow a first
order autoregression with correlated steps and noise; the path is then centred, freed of its trend and scaled, so that
the levels have just the mean, trend and spread that were drawn. Then the highest and the lowest are brought to where
those of other stays are, and levels become values.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .borrowing import borrowing
from .normal import norm_cdf, norm_ppf
from .stream import below, mixed, normal, start, uniform

STATICS = 3
LAYER = 5 << 16  # two streams a stay
_TRIES = 8
_GAPS = 8
_FEW = 8
_NONE = -500_000  # a difference of counts below it says: not measured
_EDGES = np.array([1, 2, 3, 5, 9, 17, 33, 49, 65, 97], np.int64)
_GROUPS = np.array([1, 2, 3, 9, 33], np.int64)
_CELLS = np.array([10, 13, 17, 22, 28, 34, 40, 44, 48, 52, 60, 70, 85, 110], np.int64)
_ZONES = np.array([-0.5, 0.5])
_SCORES, _TRENDS = 256.0, 128.0
_SMALLEST = 2.0**-20
_PER_DOUBLING = 16.0
_HOUR = 60.0
_SHORT = 3  # records whose ends the mean and the spread tell
_NARROWEST, _WIDEST = 0.67, 4.0  # below two thirds, levels would change their order
_OUTLET = 0x0DDB1A5E


class Bins(NamedTuple):
    """Histograms one after another: that of number h has rows ``starts[h]`` to ``starts[h + 1]``."""

    starts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    upto: np.ndarray
    tilt: np.ndarray  # how the density rises (to 1) or falls (to -1) inside a bin


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
    steps: np.ndarray  # Cholesky factor of the steps (joined, joined)
    noise: np.ndarray  # Cholesky factor of the noise


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


@njit(inline="always", nogil=True)
def _row(upto, begin, end, u):
    """The first row whose cumulative probability exceeds ``u``."""
    while begin < end - 1:
        middle = (begin + end - 1) >> 1
        if upto[middle] > u:
            end = middle + 1
        else:
            begin = middle + 1
    return begin


@borrowing
def _draw(bins, histogram, u):
    """The place at cumulative probability ``u``: between the low end of a bin and its high end + 1."""
    begin = bins.starts[histogram]
    row = _row(bins.upto, begin, bins.starts[histogram + 1], u)
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
def _normal_of(bins, histogram, at, u):
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
def _place(edges, count):
    """How many edges a count has reached, less one."""
    at = -1
    while at + 1 < edges.size and count >= edges[at + 1]:
        at += 1
    return at


@njit(inline="always", nogil=True)
def _cell(count):
    if count <= 10:
        return count
    at = 0
    while at < _CELLS.size and count > _CELLS[at]:
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
        state = start(seed, numbers[stay], LAYER + 2 * ordinals[stay])
        for i in range(dimensions):
            if i < STATICS:
                state, u = uniform(state)
                histogram = counts.statics[i, strata[stay]]
                z = _normal_of(bins, histogram, given[stay, i], u) if histogram >= 0 else norm_ppf(u)
                for j in range(i):
                    z -= counts.factor[i, j] * plain[j]
                plain[i] = z / counts.factor[i, i]
            else:
                state, plain[i] = normal(state)
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
            parent = counts.parent[one]
            histogram = counts.along[one, _cell(found[stay, parent])] if parent >= 0 else -1
            if histogram >= 0:
                apart = math.floor(_draw(bins, histogram, u))
                found[stay, one] = 0 if apart < _NONE else max(found[stay, parent] + apart, 1)
            elif counts.count[strata[stay], one] >= 0:
                found[stay, one] = math.floor(_draw(bins, counts.count[strata[stay], one], u))


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
        moment = math.floor(_draw(bins, times.first[one, band], u)) if times.first[one, band] >= 0 else 0
        many, kind = 0, -1
        while moment < reach and many < trial.size:
            trial[many] = moment
            many += 1
            state, u = uniform(state)
            table = times.opening[one, band] if kind < 0 else times.turn[one, band, kind]
            kind = math.floor(_draw(bins, table, u)) if table >= 0 else max(kind, 0)
            state, u = uniform(state)
            table = times.gap[one, kind]
            moment += max(math.floor(_draw(bins, table, u)), 1) if table >= 0 else 240
        if abs(many - count) < closest:
            closest, held = abs(many - count), min(many, minute.size)
            _copy(trial, held, minute)
        if closest == 0:
            break
    return _fit_in(minute, held, count, reach, state)


@borrowing
def _beside(bins, times, one, band, others, reach, state):
    """A moment at a usual gap from one of ``others``, before or after it; anywhere when there is no such place."""
    for _ in range(_TRIES if others.size > 0 and times.opening[one, band] >= 0 else 0):
        state, near = below(state, others.size)
        state, u = uniform(state)
        table = times.gap[one, math.floor(_draw(bins, times.opening[one, band], u))]
        state, u = uniform(state)
        gap = math.floor(_draw(bins, table, u)) if table >= 0 else 0
        state, after = below(state, 2)
        moment = others[near] + (gap if after == 1 else -gap)
        if 0 <= moment < reach and gap > 0:
            return state, moment
    return below(state, reach)


@borrowing
def _copy(source, size, to):
    for i in range(size):
        to[i] = source[i]


@borrowing
def _follow(bins, times, one, band, others, count, reach, minute, trial, state):
    """Moments taken from the parent's (``others``), passing over some; the rest anywhere."""
    inside = 0
    state, u = uniform(state)
    eighths = _draw(bins, times.inside[one], u) if times.inside[one] >= 0 else 8.0
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
            at += 1 + (math.floor(_draw(bins, table, u)) if table >= 0 else 0)
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
            moment = min(math.floor(_draw(bins, times.first[one, band], u)), reach - 1)
        else:
            state, moment = _beside(bins, times, one, band, minute[:inside], reach, state)
        i = inside
        while i > 0 and minute[i - 1] > moment:
            minute[i] = minute[i - 1]
            i -= 1
        minute[i] = moment
        inside += 1
    return state


@njit(inline="always", nogil=True)
def _correlated(factor, plain, k):
    """Row k of a Cholesky factor times ``plain``; series beyond the factor stand alone."""
    if k >= factor.shape[0]:
        return plain[k]
    z = 0.0
    for j in range(k + 1):
        z += factor[k, j] * plain[j]
    return z


@borrowing
def _walk(paths, minute, series, order, level, room, state):
    """Fill ``level`` with the autoregressive path of each record, in the order of time."""
    width = paths.keep.size
    plain, held, noise = room
    held[:] = 0.0
    previous = 0
    begin = 0
    while begin < order.size:
        moment = minute[order[begin]]
        end = begin
        while end < order.size and minute[order[end]] == moment:
            end += 1
        hours = (moment - previous) / _HOUR
        for k in range(width):
            state, plain[k] = normal(state)
        for k in range(width):
            kept = paths.keep[k] ** hours if begin > 0 else 0.0
            held[k] = kept * held[k] + math.sqrt(1.0 - kept * kept) * _correlated(paths.steps, plain, k)
        previous = moment
        top = 0
        for i in range(begin, end):
            top = max(top, series[order[i]])
        for k in range(top + 1):
            state, noise[k] = normal(state)
        for i in range(begin, end):
            k = series[order[i]]
            own = _correlated(paths.noise, noise, k)
            level[order[i]] = math.sqrt(paths.share[k]) * held[k] + math.sqrt(1.0 - paths.share[k]) * own
        begin = end
    return state


@njit(inline="always", nogil=True)
def _distance(bins, histogram, u):
    """A signed distance on the logarithmic scale."""
    at = _draw(bins, histogram, u) - 0.5
    if abs(at) < 0.5:
        return 0.0
    return math.copysign(_SMALLEST * 2.0 ** (abs(at) / _PER_DOUBLING), at)


@borrowing
def _settle(bins, paths, one, described, minute, level):
    """Give a path the mean, trend and spread that its normal numbers (``described``) say.

    The fourth one is the mean of a path whose values are all the same.
    """
    count = level.size
    group = _place(_GROUPS, count)
    table = paths.spread[one, group]
    spread = _distance(bins, table, norm_cdf(described[2])) if count > 1 and table >= 0 else 0.0
    steady = count > 1 and spread == 0.0
    spread *= paths.gain[one]
    table = paths.trend[one, group, _place(_ZONES, described[2]) + 1]
    trend = (_draw(bins, table, norm_cdf(described[1])) - 0.5) / _TRENDS if count > 1 and table >= 0 else 0.0
    trend = min(max(trend, -1.0), 1.0) if count > 2 else math.copysign(1.0, trend)
    band = _place(_EDGES, count)
    z = described[3] if steady else paths.band_level[one, band] + paths.band_scale[one, band] * described[0]
    table = paths.mean[one, int(steady)]
    mean = (_draw(bins, table, norm_cdf(z)) - 0.5) / _SCORES if table >= 0 else 0.0
    zone = _place(_ZONES, mean) + 1
    if count > 3 and paths.shape[one, zone] >= 0:
        for i in range(count):
            table = paths.entry[one, zone] if i == 0 and paths.entry[one, zone] >= 0 else paths.shape[one, zone]
            level[i] = _draw(bins, table, norm_cdf(level[i])) / 8.0
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
def _value(outlets, one, level, u):
    """The value at a level: the cell that holds it, and its place there."""
    begin, end = outlets.starts[one], outlets.starts[one + 1]
    if begin == end:
        return math.nan
    row = _row(outlets.upto, begin, end, level)
    inside = u
    if begin < row < end - 1:
        width = outlets.upto[row] - outlets.upto[row - 1]
        inside = (level - outlets.upto[row - 1]) / width if width > 1e-9 else u
    place = outlets.first[row] + tilted(min(max(inside, 0.0), 0.999999), outlets.tilt[row]) * outlets.size[row]
    code = math.floor(place)
    return _number(code, place - code, outlets.scale[one])


@njit(inline="always", nogil=True)
def _number(code, inside, scale):
    """A number whose first three digits are those of bin ``code``, on the grid of ``scale`` values a unit."""
    if code == 0:
        return 0.0
    digits, unit = (abs(code) - 1) % 900 + 100, 10.0 ** ((abs(code) - 1) // 900 - 22)
    number = (digits + (inside if code > 0 else 1.0 - inside)) * unit
    if scale > 0.0:
        number = max(math.floor(number * scale), math.ceil(digits * unit * scale - 1e-6)) / scale
    return number if code > 0 else -number


@borrowing(error_model="numpy")
def _moments(bins, times, counts, reach, own, series, minute, room, state):
    """Fill the series of each record of a stay and its minute; those of series k stand from ``own[k]`` on."""
    moments, trial = room
    for k in range(counts.size):
        series[own[k] : own[k + 1]] = k
    for at in range(counts.size):
        k = times.order[at]
        count, parent = counts[k], times.parent[k]
        if count == 0:
            continue
        band = _place(_EDGES, count)
        if parent >= 0 and counts[parent] > 0:
            others = minute[own[parent] : own[parent + 1]]
            state = _follow(bins, times, k, band, others, count, reach, moments, trial, state)
        else:
            state = _chain(bins, times, k, band, count, reach, moments, trial, state)
        for i in range(count):
            minute[own[k] + i] = moments[i]
    return state


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
        group = _place(_GROUPS, own[k + 1] - own[k])
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
    steps = np.empty(paths.keep.size), np.empty(paths.keep.size), np.empty(paths.keep.size)
    for stay in range(numbers.size):
        state = start(seed, numbers[stay], LAYER + 2 * ordinals[stay] + 1)
        begin, end = begins[stay], begins[stay + 1]
        own[0] = begin
        for k in range(width):
            own[k + 1] = own[k] + counts[stay, k]
        state = _moments(bins, times, counts[stay], reach[stay], own, series, minute, room, state)
        order = np.argsort(minute[begin:end], kind="mergesort")
        state = _walk(paths, minute[begin:end], series[begin:end], order, level[begin:end], steps, state)
        state = _levels(bins, paths, strata[stay], normals[stay], own, minute, level, described, state)


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


@borrowing(cache=True, error_model="numpy")
def fill_uniforms(seed, numbers, ordinals, found):
    """Draw a row of uniform numbers for each stay of a person."""
    for stay in range(numbers.size):
        state = start(seed, numbers[stay], LAYER - 1 - ordinals[stay])
        for i in range(found.shape[1]):
            state, found[stay, i] = uniform(state)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_sparse(first, upto, outlets, share, factor, seed, numbers, offsets, item, day, series, value):
    """Give the events of items with series their series and value: a person's level, and what moves from day to day.

    A person keeps to one series of an item.
    """
    width, joined = share.size, factor.shape[0]
    plain, level, moved = np.empty(width), np.empty(width), np.empty(width)
    for person in range(numbers.size):
        state = start(seed, numbers[person], LAYER - 1)
        state = state ^ np.uint64(0x5DEECE66D)
        state, choice = uniform(state)
        for k in range(width):
            state, plain[k] = normal(state)
        for k in range(width):
            level[k] = _correlated(factor, plain, k)
        last = -1
        for event in range(offsets[person], offsets[person + 1]):
            begin, end = first[item[event]], first[item[event] + 1]
            if begin == end:
                continue
            if day[event] != last:
                last = day[event]
                for k in range(joined):
                    state, plain[k] = normal(state)
                for k in range(joined):
                    moved[k] = _correlated(factor, plain, k)
            one = _row(upto, begin, end, choice)
            if one >= joined:
                state, moved[one] = normal(state)
            z = math.sqrt(share[one]) * level[one] + math.sqrt(1.0 - share[one]) * moved[one]
            low, high = outlets.starts[one], outlets.starts[one + 1]
            if low == high:
                continue
            p = norm_cdf(z)
            row = _row(outlets.upto, low, high, p)
            below_ = outlets.upto[row - 1] if row > low else 0.0
            inside = min(max((p - below_) / max(outlets.upto[row] - below_, 1e-12), 0.0), 0.999999)
            place = outlets.first[row] + tilted(inside, outlets.tilt[row]) * outlets.size[row]
            code = math.floor(place)
            series[event] = one
            value[event] = _number(code, place - code, outlets.scale[one])


@borrowing(cache=True, error_model="numpy")
def fill_ways(hashes, first, opening, start_of, following, seed, numbers, person, series, way):
    """Say in which way values are told, which stand in the order of person, series and time.

    The way of a value follows that of the value before.
    """
    state, last = np.uint64(0), -1
    for i in range(person.size):
        one = series[i]
        if i == 0 or person[i] != person[i - 1] or one != series[i - 1]:
            state = mixed(start(seed, numbers[person[i]], LAYER - 1) ^ np.uint64(hashes[one]))
            last = -1
        if first[one + 1] - first[one] == 1:
            way[i] = first[one]
            continue
        state, u = uniform(state)
        if last < 0:
            last = _row(opening, first[one], first[one + 1], u)
        else:
            last = first[one] + _row(following, start_of[last], start_of[last + 1], u) - start_of[last]
        way[i] = last
