"""Breaks in the rate of events: where a series of monthly counts stops being one Poisson process.

Intervals of every length are looked at, in each the split that gains most likelihood is tested, and the strongest comes
first. Sources: P. Fryzlewicz, Wild binary segmentation for multiple change-point detection, Annals of Statistics 42
(2014) 2243-2281; S. Kovacs, P. Bühlmann, H. Li, A. Munk, Seeded binary segmentation, Biometrika 110 (2023) 249-256.
"""

import math

import numpy as np
from numba import njit

from .borrowing import borrowing

SEGMENT = ("series", "first", "end", "count", "exposure", "dispersion", "evidence", "p_value")
_DECAY = math.sqrt(0.5)  # each layer of intervals is that much shorter than the one before
_LEAST_DISPERSION_MONTHS = 12
_QUARTER = 3
_KEPT = 0.9  # of the squared differences of months: a break makes one of them huge
_MEAN_OF_KEPT = 0.6232  # of the lower nine tenths of a chi-square with one degree of freedom
_MEDIAN = 0.4549  # of the same
_YEAR, _HALF = 12, 6
_LEAST_SEASON_MONTHS = 48
_LEAST_SEASON_COUNT = 5.0  # a month, on average
_SEASON_SHOWS = 31.26  # the chi-square with 11 degrees of freedom that chance exceeds once in a thousand
_LEAST_FACTOR = 0.05


@njit(nogil=True, cache=True)
def seeded_intervals(months):
    """Return intervals (begin, end) of every length down to 2, each layer overlapping by half of its length or more."""
    room = 4
    length = float(months)
    while length > 1.0:
        room += 2 * math.ceil(months / length) + 1
        length *= _DECAY
    intervals = np.empty((room, 2), np.int64)
    found = 0
    length = float(months)
    while length > 1.0:
        whole = math.ceil(length)
        number = 1 if whole >= months else 2 * math.ceil(months / length) - 1
        for i in range(number):
            begin = 0 if number == 1 else math.floor(i * (months - whole) / (number - 1))
            is_new = found == 0 or intervals[found - 1, 0] != begin or intervals[found - 1, 1] != begin + whole
            if is_new:
                intervals[found, 0], intervals[found, 1] = begin, begin + whole
                found += 1
        length *= _DECAY
    return intervals[:found].copy()


@njit(nogil=True, cache=True)
def _divergence(count, expected):
    """Return count log(count / expected) - (count - expected), without loss where the two are nearly the same."""
    if not count > 0.0:
        return expected
    apart = (count - expected) / expected
    if apart < -0.5:
        return count * math.log(count / expected) - (count - expected)
    return expected * ((1.0 + apart) * math.log1p(apart) - apart)


@njit(nogil=True, cache=True)
def gain(count_before, exposure_before, count_after, exposure_after):
    """Return how much more log likelihood two Poisson rates have than one."""
    rate = (count_before + count_after) / (exposure_before + exposure_after)
    if not rate > 0.0:
        return 0.0
    found = _divergence(count_before, exposure_before * rate) + _divergence(count_after, exposure_after * rate)
    return max(found, 0.0)


@borrowing(cache=True)
def best_split(counted, exposed, begin, end):
    """Find the split of the months begin..end-1 that gains most: (gain, place).

    Both sums run from 0 and are one longer than the months.
    """
    best, place = 0.0, -1
    for split in range(begin + 1, end):
        found = gain(
            counted[split] - counted[begin],
            exposed[split] - exposed[begin],
            counted[end] - counted[split],
            exposed[end] - exposed[split],
        )
        if found > best:
            best, place = found, split
    return best, place


@njit(nogil=True, cache=True)
def _squared_differences(counted, exposed, block):
    """Square the differences of neighbouring blocks of months, each over what a Poisson process makes of it."""
    months = counted.size - 1
    squares = np.empty(max(months - 2 * block + 1, 0))
    found = 0
    for t in range(squares.size):
        before, between = counted[t + block] - counted[t], exposed[t + block] - exposed[t]
        after, beyond = counted[t + 2 * block] - counted[t + block], exposed[t + 2 * block] - exposed[t + block]
        if before + after > 0.0:
            rate = (before + after) / (between + beyond)
            squares[found] = (before / between - after / beyond) ** 2 / (rate * (1.0 / between + 1.0 / beyond))
            found += 1
    return np.sort(squares[:found])


@njit(nogil=True, cache=True)
def monthly_dispersion(counted, exposed):
    """Return how much more than a Poisson process a series varies from month to month; 1 or more."""
    monthly = _squared_differences(counted, exposed, 1)
    if monthly.size < _LEAST_DISPERSION_MONTHS:
        return 1.0
    return max(monthly[: int(_KEPT * monthly.size)].mean() / _MEAN_OF_KEPT, 1.0)


@njit(nogil=True, cache=True)
def dispersion(counted, exposed):
    """Return how much more than a Poisson process a series varies from month to month and quarter to quarter.

    It is 1 or more. Differences of neighbours do not see a lasting change. Source: J. Rice, Bandwidth choice for
    nonparametric regression, Annals of Statistics 12 (1984) 1215-1230.
    """
    quarterly = _squared_differences(counted, exposed, _QUARTER)
    found = monthly_dispersion(counted, exposed)
    if quarterly.size >= _LEAST_DISPERSION_MONTHS:
        found = max(found, quarterly[quarterly.size // 2] / _MEDIAN)
    return found


@njit(nogil=True, cache=True)
def season(counted, exposed, calendar):
    """Return how much more often than in a mean month events occur in each of the twelve, or ones where none shows.

    Each month is held against the year around it, and the median over years taken: the ratio to a moving average.
    Source: J. Shiskin, A. H. Young, J. C. Musgrave, The X-11 variant of the Census Method II seasonal adjustment
    program, Bureau of the Census Technical Paper 15 (1967).
    """
    factor = np.ones(_YEAR)
    months = counted.size - 1
    if months < _LEAST_SEASON_MONTHS or counted[months] < _LEAST_SEASON_COUNT * months:
        return factor
    ratio = np.full((_YEAR, months // _YEAR + 2), np.nan)
    years = np.zeros(_YEAR, np.int64)
    seen, expected = np.zeros(_YEAR), np.zeros(_YEAR)
    for t in range(_HALF, months - _HALF):
        around = 0.5 * (counted[t + 7] + counted[t + 6] - counted[t - 5] - counted[t - 6])
        exposure = 0.5 * (exposed[t + 7] + exposed[t + 6] - exposed[t - 5] - exposed[t - 6])
        count, at_risk = counted[t + 1] - counted[t], exposed[t + 1] - exposed[t]
        m = calendar[t]
        seen[m] += count
        expected[m] += around * at_risk / exposure
        if around > 0.0 and years[m] < ratio.shape[1]:
            ratio[m, years[m]] = count * exposure / (at_risk * around)
            years[m] += 1
    square = 0.0
    for m in range(_YEAR):
        if expected[m] <= 0.0 or years[m] < _QUARTER:
            return factor
        square += (seen[m] - expected[m]) ** 2 / expected[m]
    if square <= _SEASON_SHOWS * monthly_dispersion(counted, exposed):
        return factor
    for m in range(_YEAR):
        factor[m] = max(np.median(ratio[m, : years[m]]), _LEAST_FACTOR)
    return factor / factor.mean()


@njit(nogil=True, cache=True)
def running(values):
    """Sum from the start: one longer than the values, and 0 first."""
    sums = np.zeros(values.size + 1)
    for t in range(values.size):
        sums[t + 1] = sums[t] + values[t]
    return sums


@borrowing(cache=True)
def _keep_apart(places, counted, exposed):
    """Put each break where it gains most between its neighbours."""
    months = counted.size - 1
    for i in range(places.size):
        begin = places[i - 1] if i > 0 else 0
        end = places[i + 1] if i + 1 < places.size else months
        _, place = best_split(counted, exposed, begin, end)
        if place > 0:
            places[i] = place


@njit(nogil=True, cache=True)
def find_breaks(counted, exposed, level, spread):
    """Find the months with which a new rate begins; return (places, evidence, p), in order of time.

    ``counted`` and ``exposed`` are running sums of events and of time at risk, which grows with every month. A process
    without a break is given one with a probability of at most ``level``: the evidence is the gain in log likelihood
    over ``spread``, of which chance exceeds x with a probability of at most 2 exp(-x) (Chernoff), and p is that times
    the number of splits looked at (Bonferroni).
    """
    months = counted.size - 1
    none = np.empty(0, np.int64), np.empty(0), np.empty(0)
    if months < 2 or not counted[months] > 0.0:
        return none
    intervals = seeded_intervals(months)
    best, split = np.empty(intervals.shape[0]), np.empty(intervals.shape[0], np.int64)
    tests = 0
    for i in range(intervals.shape[0]):
        best[i], split[i] = best_split(counted, exposed, intervals[i, 0], intervals[i, 1])
        tests += intervals[i, 1] - intervals[i, 0] - 1
    places, evidence, p_values = np.empty(months, np.int64), np.empty(months), np.empty(months)
    found = 0
    while True:
        strongest = np.argmax(best)
        strength = best[strongest] / spread
        p = min(2.0 * tests * math.exp(-strength), 1.0)
        if split[strongest] < 0 or not p <= level:
            break
        place = split[strongest]
        places[found], evidence[found], p_values[found] = place, strength, p
        found += 1
        for i in range(intervals.shape[0]):
            if intervals[i, 0] < place < intervals[i, 1]:
                best[i], split[i] = 0.0, -1
    if found == 0:
        return none
    order = np.argsort(places[:found])
    ordered = places[:found][order]
    _keep_apart(ordered, counted, exposed)
    return ordered, evidence[:found][order], p_values[:found][order]


@njit(nogil=True, cache=True)
def _stacked(rows, columns):
    table = np.empty((len(rows), columns))
    for i in range(len(rows)):
        table[i] = rows[i]
    return table


@njit(nogil=True, cache=True)
def find_segments(series, month, count, exposure, calendar, number, level):
    """Cut each of ``number`` series into segments of one rate; series without a break have no rows.

    ``series``, ``month`` and ``count`` say how many events each series has in each month where it has any, sorted by
    series. ``exposure`` is the time at risk of every month, above 0, and ``calendar`` its month of the year, 0 to 11.
    Returns a table, one row a segment, of the columns ``SEGMENT``; evidence and p are those of the break with which it
    begins, NaN at the first.
    """
    months = exposure.size
    rows = [np.empty(0) for _ in range(0)]
    counts = np.zeros(months)
    exposed = running(exposure)
    at = 0
    for s in range(number):
        counts[:] = 0.0
        while at < series.size and series[at] == s:
            counts[month[at]] += count[at]
            at += 1
        counted = running(counts)
        at_risk = exposed
        factor = season(counted, at_risk, calendar)
        if factor.min() < 1.0:
            at_risk = running(exposure * factor[calendar])
        spread = dispersion(counted, at_risk)
        places, strengths, p_values = find_breaks(counted, at_risk, level, spread)
        for i in range(places.size + 1 if places.size > 0 else 0):
            first = places[i - 1] if i > 0 else 0
            end = places[i] if i < places.size else months
            events, risk = counted[end] - counted[first], at_risk[end] - at_risk[first]
            evidence = strengths[i - 1] if i > 0 else np.nan
            p = p_values[i - 1] if i > 0 else np.nan
            rows.append(np.array([s, first, end, events, risk, spread, evidence, p]))
    return _stacked(rows, 8)
