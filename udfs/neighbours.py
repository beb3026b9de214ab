"""Nearest neighbours by Euclidean distance, exactly: the k nearest rows of each row, and the balls that hold it.

Most pairs are ruled out by |a - b|² = |a|² + |b|² - 2ab in single precision, many at a time. The few that its rounding
leaves open are computed in double precision.
"""

import math

import numpy as np
from numba import njit

from .borrowing import borrowing

_POINTS = 1024  # of a block: their coordinates stay in the cache
_TERMS = 4  # of a product that are added up together
_FLAGS = 8  # that are looked at together
_ROUNDING = 6e-8  # of a number in single precision
_SUMMED = 1e-12  # a square that exceeds another by this share is equal to it: sums depend on their order


@njit(nogil=True, cache=True)
def nearest(queries, points, k, skip_same):
    """Find the k nearest points (m, d) of each query (n, d): their distances and their places, (n, k), nearest first.

    Of points that are equally near, the lower place comes first. With ``skip_same``, query i is point i and no
    neighbour of its own. Where there are fewer than k points, the distances end in infinity and the places in -1. A
    row with a NaN is nobody's neighbour and has none.
    """
    n, m = len(queries), len(points)
    squares, places = np.full((n, k), np.inf), np.full((n, k), np.int64(-1))
    if m == 0 or k == 0:
        return squares, places
    centre = _centre(points)
    left, of_left = _single(queries, centre)
    right, of_right = _single(points, centre)
    shifts = of_right.astype(np.float32)
    slack = _slack(queries.shape[1], of_left, of_right)
    products, is_near = np.empty(_POINTS, np.float32), np.empty(_POINTS, np.bool_)
    for first in range(0, m, _POINTS):
        block = np.ascontiguousarray(right[first : first + _POINTS].T)
        is_near[:] = False
        for i in range(n):
            beyond = of_left[i] - slack[i]  # what a product lacks of the square, at least
            _multiply(left[i], block, shifts[first:], np.float32(squares[i, k - 1] - beyond), products, is_near)
            own = i - first if skip_same else -1
            _take(queries[i], points[first:], own, products, is_near, beyond, first, squares[i], places[i])
    return np.sqrt(squares), places


@njit(nogil=True, cache=True)
def balls_around(queries, points, radii):
    """Count the balls around the points (m, d) that hold each query (n, d), rims included.

    ``radii`` (m, r) rise: r balls of a point, the last of which holds the others. Returns the counts (n, r).
    """
    n, m = len(queries), len(points)
    held = np.zeros((n, radii.shape[1]), np.int64)
    if m == 0 or radii.shape[1] == 0:
        return held
    centre = _centre(points)
    left, of_left = _single(queries, centre)
    right, of_right = _single(points, centre)
    squares = radii * radii * (1 + _SUMMED)
    widest = squares[:, -1]
    shifts = (of_right - widest).astype(np.float32)
    slack = _slack(queries.shape[1], of_left, np.maximum(of_right, widest))
    products, is_near = np.empty(_POINTS, np.float32), np.empty(_POINTS, np.bool_)
    for first in range(0, m, _POINTS):
        block = np.ascontiguousarray(right[first : first + _POINTS].T)
        is_near[:] = False
        for i in range(n):
            _multiply(left[i], block, shifts[first:], np.float32(slack[i] - of_left[i]), products, is_near)
            _count(queries[i], points[first:], squares[first:], is_near, held[i])
    return held


@njit(nogil=True)
def _centre(points):
    """The means of the finite coordinates: around them, single precision is most precise."""
    centre = np.zeros(points.shape[1])
    for t in range(points.shape[1]):
        total, count = 0.0, 0
        for j in range(len(points)):
            if math.isfinite(points[j, t]):
                total += points[j, t]
                count += 1
        if count:
            centre[t] = total / count
    return centre


@njit(nogil=True)
def _single(rows, centre):
    """Rows around the centre in single precision, filled up with zeros to whole terms, and their squared lengths."""
    n, d = rows.shape
    single, lengths = np.zeros((n, (d + _TERMS - 1) // _TERMS * _TERMS), np.float32), np.zeros(n)
    for i in range(n):
        for t in range(d):
            x = np.float32(rows[i, t] - centre[t])
            single[i, t] = x
            lengths[i] += np.float64(x) * np.float64(x)
    return single, lengths


@njit(nogil=True)
def _slack(dimensions, of_left, of_right):
    """How far a square in single precision may be from the true one, for each row on the left."""
    widest = 0.0
    for j in range(len(of_right)):
        if not of_right[j] <= widest:
            widest = of_right[j]
    return 4 * (dimensions + 8) * _ROUNDING * (of_left + widest)


@borrowing
def _multiply(row, block, shifts, limit, products, is_near):
    """Write shift - 2 row·column for each column of a block, and whether it may be below the limit."""
    size = block.shape[1]
    for j in range(size):
        products[j] = shifts[j]
    for t in range(0, len(row), _TERMS):
        x, y, z, w = -2 * row[t], -2 * row[t + 1], -2 * row[t + 2], -2 * row[t + 3]
        x, y, z, w = np.float32(x), np.float32(y), np.float32(z), np.float32(w)
        a, b, c, d = block[t], block[t + 1], block[t + 2], block[t + 3]
        for j in range(size):
            products[j] += (x * a[j] + y * b[j]) + (z * c[j] + w * d[j])
    for j in range(size):
        is_near[j] = not products[j] > limit


@borrowing
def _take(query, points, own, products, is_near, beyond, first, squares, places):
    """Take those points of a block that are nearer to a query than the k-th of those found."""
    eights = is_near.view(np.uint64)
    limit = np.float32(squares[-1] - beyond)
    for w in range(len(eights)):
        if eights[w] == 0:
            continue
        for j in range(_FLAGS * w, _FLAGS * (w + 1)):
            if not is_near[j] or products[j] > limit or j == own:
                continue
            square = _square(query, points[j], squares[-1])
            if square < squares[-1] or (places[-1] < 0 and square == square):
                _insert(squares, places, square, first + j)
                limit = np.float32(squares[-1] - beyond)


@borrowing
def _count(query, points, squares, is_near, held):
    """Count the balls of a block that hold a query."""
    eights = is_near.view(np.uint64)
    largest = squares.shape[1] - 1
    for w in range(len(eights)):
        if eights[w] == 0:
            continue
        for j in range(_FLAGS * w, _FLAGS * (w + 1)):
            if is_near[j]:
                square = _square(query, points[j], squares[j, largest])
                for ball in range(largest, -1, -1):
                    if not square <= squares[j, ball]:
                        break
                    held[ball] += 1


@borrowing
def _square(a, b, limit):
    """The squared distance; or, beyond the limit, a part of it."""
    total = 0.0
    for t in range(len(a)):
        difference = a[t] - b[t]
        total += difference * difference
        if total > limit:
            break
    return total


@borrowing
def _insert(squares, places, square, place):
    at = len(squares) - 1
    while at > 0 and (square < squares[at - 1] or places[at - 1] < 0):
        squares[at], places[at] = squares[at - 1], places[at - 1]
        at -= 1
    squares[at], places[at] = square, place
