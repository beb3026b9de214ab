"""Kolmogorov-Smirnov distance of two samples, of all persons and without each group of persons."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def largest_differences(value, group, side, groups):
    """Find the largest difference between two distribution functions, float64[groups + 1].

    ``value`` is sorted; ``side`` is 0 or 1. The first answer is of all values, the others leave out one group each.
    Where side 0 has no value left the answer is NaN; where only side 1 has none, 1.
    """
    size = np.zeros((2, groups + 1))
    for i in range(value.size):
        size[side[i], 0] += 1
        if groups:
            size[side[i], 1 + group[i]] += 1
    below = np.zeros((2, groups + 1))
    largest = np.zeros(groups + 1)
    for i in range(value.size):
        below[side[i], 0] += 1
        if groups:
            below[side[i], 1 + group[i]] += 1
        if i + 1 == value.size or value[i + 1] != value[i]:
            for k in range(groups + 1):
                left, of_left = _left(below, size, 0, k)
                right, of_right = _left(below, size, 1, k)
                if of_left > 0 and of_right > 0:
                    largest[k] = max(largest[k], abs(left / of_left - right / of_right))
    for k in range(groups + 1):
        if _left(below, size, 0, k)[1] == 0:
            largest[k] = np.nan
        elif _left(below, size, 1, k)[1] == 0:
            largest[k] = 1.0
    return largest


@njit(nogil=True, inline="always")
def _left(below, size, side, k):
    """How many values of a side are below, and how many there are, without group k - 1; with all where k is 0."""
    if k == 0:
        return below[side, 0], size[side, 0]
    return below[side, 0] - below[side, k], size[side, 0] - size[side, k]
