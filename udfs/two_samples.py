"""How far two samples are apart, and how much each row has to do with it.

Every distance here is a difference of two means: of what the rows of the first sample add to it, and those of the
second. Their spread is its error.
"""

import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def ordered_gaps(a, a_order, b, b_order):
    """Walk through the numbers of two samples, (n) and (m), in the order that ``a_order`` and ``b_order`` put them in.

    Returns how far the first distribution function is above the second at most, and at which number; how far it is
    below, and where; the area between the two; and what each row adds to the area, (n) and (m).
    """
    n, m = len(a), len(b)
    above, at_above, below, at_below, area = 0.0, -np.inf, 0.0, -np.inf, 0.0
    of_a, of_b = np.empty(n), np.empty(m)
    i, j, gap, height, before = 0, 0, 0.0, 0.0, 0.0
    while i < n or j < m:
        x = min(a[a_order[i]] if i < n else np.inf, b[b_order[j]] if j < m else np.inf)
        if i + j > 0:
            width = x - before
            area += abs(gap) * width
            height -= width if gap > 0 else -width if gap < 0 else 0.0
        while i < n and a[a_order[i]] == x:
            of_a[a_order[i]] = height
            i += 1
        while j < m and b[b_order[j]] == x:
            of_b[b_order[j]] = height
            j += 1
        gap, before = i / n - j / m, x
        if gap > above:
            above, at_above = gap, x
        if -gap > below:
            below, at_below = -gap, x
    return above, at_above, below, at_below, area, of_a, of_b


@njit(nogil=True, cache=True)
def joint_difference(a, b, sizes):
    """Total variation distance of two samples of codes, (k, n) and (k, m), in the cells that k columns form.

    ``sizes`` (k) are the numbers of codes. Returns the distance and what each row adds to it, (n) and (m).
    """
    n, m = a.shape[1], b.shape[1]
    cells = 1
    for size in sizes:
        cells *= size
    cell_a, cell_b = _cells(a, sizes), _cells(b, sizes)
    in_a, in_b = np.zeros(cells, np.int32), np.zeros(cells, np.int32)
    for i in range(n):
        in_a[cell_a[i]] += 1
    for j in range(m):
        in_b[cell_b[j]] += 1
    distance, sign = 0.0, np.zeros(cells)
    for cell in range(cells):
        difference = in_a[cell] / n - in_b[cell] / m
        distance += abs(difference) / 2
        sign[cell] = 0.5 if difference > 0 else -0.5 if difference < 0 else 0.0
    return distance, sign[cell_a], sign[cell_b]


@njit(nogil=True)
def _cells(codes, sizes):
    cells = np.zeros(codes.shape[1], np.int64)
    for column in range(len(sizes)):
        for i in range(codes.shape[1]):
            cells[i] = cells[i] * sizes[column] + codes[column, i]
    return cells


@njit(nogil=True, cache=True)
def pearson(x, y):
    """Correlation of the rows (n) where both are known, what each row adds to it (n), and how many they are."""
    n, added = 0, np.zeros(len(x))
    mean_x, mean_y = 0.0, 0.0
    for i in range(len(x)):
        if x[i] == x[i] and y[i] == y[i]:
            n += 1
            mean_x += x[i]
            mean_y += y[i]
    if n < 2:
        return np.nan, added, n
    mean_x, mean_y = mean_x / n, mean_y / n
    xx, yy, xy = 0.0, 0.0, 0.0
    for i in range(len(x)):
        if x[i] == x[i] and y[i] == y[i]:
            dx, dy = x[i] - mean_x, y[i] - mean_y
            xx += dx * dx
            yy += dy * dy
            xy += dx * dy
    if xx <= 1e-24 * n * mean_x * mean_x or yy <= 1e-24 * n * mean_y * mean_y:  # one value, and rounding
        return np.nan, added, n
    r = max(-1.0, min(1.0, xy / math.sqrt(xx * yy)))
    spread_x, spread_y = math.sqrt(xx / n), math.sqrt(yy / n)
    for i in range(len(x)):
        if x[i] == x[i] and y[i] == y[i]:
            u, v = (x[i] - mean_x) / spread_x, (y[i] - mean_y) / spread_y
            added[i] = (u * v - r * (u * u + v * v) / 2) * len(x) / n
    return r, added, n


@njit(nogil=True, cache=True)
def cramers_v(a, b, a_size, b_size):
    """Cramér's V of two columns of codes (n), and what each row adds to it (n). NaN where a column has one value."""
    n = len(a)
    joint, of_a, of_b = np.zeros((a_size, b_size)), np.zeros(a_size), np.zeros(b_size)
    for i in range(n):
        joint[a[i], b[i]] += 1.0 / n
    for x in range(a_size):
        for y in range(b_size):
            of_a[x] += joint[x, y]
            of_b[y] += joint[x, y]
    added = np.zeros(n)
    degrees = min((of_a > 0).sum(), (of_b > 0).sum()) - 1
    if degrees < 1:
        return np.nan, added
    lift_a, lift_b, total = np.zeros(a_size), np.zeros(b_size), 0.0
    for x in range(a_size):
        for y in range(b_size):
            if joint[x, y] > 0:
                lift = joint[x, y] / (of_a[x] * of_b[y])
                lift_a[x] += lift * joint[x, y] / of_a[x]
                lift_b[y] += lift * joint[x, y] / of_b[y]
                total += lift * joint[x, y]
    v = math.sqrt(max(total - 1.0, 0.0) / degrees)
    for i in range(n):
        lift = joint[a[i], b[i]] / (of_a[a[i]] * of_b[b[i]])
        added[i] = (2 * lift - lift_a[a[i]] - lift_b[b[i]]) / (2 * degrees * max(v, 1 / math.sqrt(n)))
    return v, added


@njit(nogil=True, cache=True)
def correlation_ratio(codes, size, y):
    """Correlation ratio η of numbers y (n) in the groups of codes (n), and what each row adds to it (n).

    Rows whose number is NaN are left out. NaN where there is one group or one number.
    """
    n, mean = 0, 0.0
    for i in range(len(y)):
        if y[i] == y[i]:
            n += 1
            mean += y[i]
    added = np.zeros(len(y))
    if n < 2:
        return np.nan, added
    mean /= n
    counts, means, square = np.zeros(size), np.zeros(size), 0.0
    for i in range(len(y)):
        if y[i] == y[i]:
            counts[codes[i]] += 1
            means[codes[i]] += y[i] - mean
            square += (y[i] - mean) ** 2
    if square <= 1e-24 * n * mean * mean or (counts > 0).sum() < 2:
        return np.nan, added
    spread, between = math.sqrt(square / n), 0.0
    for x in range(size):
        if counts[x] > 0:
            means[x] /= counts[x] * spread
            between += counts[x] / n * means[x] ** 2
    ratio = math.sqrt(min(between, 1.0))
    for i in range(len(y)):
        if y[i] == y[i]:
            z, group = (y[i] - mean) / spread, means[codes[i]]
            added[i] = (2 * z * group - group**2 - between * z * z) / (2 * max(ratio, 1 / math.sqrt(n))) * len(y) / n
    return ratio, added
