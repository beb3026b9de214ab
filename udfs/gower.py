"""Nearest rows of mixed columns, when one column is not known: what an attacker does who knows the others.

The distance is Gower's: the difference of numbers (scaled so that none exceeds 1) plus 1 for each label that differs.
"""

import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def nearest_without(queries, points, numbers, secrets):
    """Find the nearest point (m, d) of each query (n, d) without each of the columns ``secrets`` (s): (n, s).

    A secret of -1 leaves out none. The first ``numbers`` columns hold numbers, the others labels as whole numbers. A
    missing number (NaN) is 1 away from any other, and 0 from a missing one. Of points that are equally near, the
    lower place comes first.
    """
    n, (m, d) = len(queries), points.shape
    places, least = np.zeros((n, len(secrets)), np.int64), np.full((n, len(secrets)), np.inf)
    apart = np.zeros(d + 1)  # the last is what -1 leaves out: nothing
    for i in range(n):
        widest = math.inf
        for j in range(m):
            total = 0.0
            for c in range(d):
                apart[c] = _apart(queries[i, c], points[j, c], c < numbers)
                total += apart[c]
                if total - 1.0 > widest:  # no column accounts for more than 1
                    break
            if total - 1.0 > widest:
                continue
            for s in range(len(secrets)):
                if total - apart[secrets[s]] < least[i, s] - 1e-12:
                    least[i, s], places[i, s] = total - apart[secrets[s]], j
            widest = least[i].max()
    return places


@njit(nogil=True, cache=True)
def nearest_mixed(queries, points, numbers):
    """Find the nearest point of each query by all columns, as the last of ``nearest_without``: (n)."""
    n, (m, d) = len(queries), points.shape
    places = np.zeros(n, np.int64)
    for i in range(n):
        least = math.inf
        for j in range(m):
            total = 0.0
            for c in range(d):
                total += _apart(queries[i, c], points[j, c], c < numbers)
                if total >= least:
                    break
            if total < least - 1e-12:
                least, places[i] = total, j
    return places


@njit(nogil=True)
def _apart(a, b, is_number):
    """How far two values of a column are apart: at most 1."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return min(abs(a - b), 1.0) if is_number and not math.isnan(a) and not math.isnan(b) else 1.0
