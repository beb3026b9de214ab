"""Drawing from fitted distributions: alias tables, and values inside cells. One uniform number serves every step.

Models reach these functions as two flat arrays, ``ints`` and ``reals``; a table is known by its offset in them.
"""

import math

import numpy as np
from numba import njit

_BELOW_1 = 1.0 - 2.0**-53


@njit(inline="always", nogil=True)
def draw_cell(ints, reals, offset, size, u):
    """Draw from the alias table of ``size`` cells at ``offset``; return the cell and a fresh uniform number.

    ``u`` in (0, 1) picks a column of the table; what is left of it decides between the column's two cells, and what
    is left of that is returned, uniform again. Source: A. J. Walker, ACM TOMS 3 (1977) 253-256.
    """
    scaled = u * size
    column = min(np.int64(scaled), size - 1)
    left = min(scaled - column, _BELOW_1)  # u just below 1 may round up
    share = reals[offset + column]
    if left < share:
        return column, left / share
    return ints[offset + column], (left - share) / (1.0 - share)


@njit(inline="always", nogil=True)
def value_in_cell(first, span, scale, u):
    """Place a number in its cell: one of ``span`` steps from ``first`` (``scale`` steps a unit), evenly.

    With ``scale`` 0 the cell is continuous: ``span`` wide from ``first``.
    """
    if scale > 0.0:
        return (first + math.floor(u * span)) / scale
    return first + u * span


@njit(inline="always", nogil=True)
def entry_of(cumulative, begin, end, u):
    """The first entry of [begin, end), not empty, whose cumulative weight exceeds the share ``u`` of the whole."""
    wanted = u * cumulative[end - 1]
    low, high = begin, end - 1
    while low < high:
        middle = (low + high) >> 1
        if cumulative[middle] > wanted:
            high = middle
        else:
            low = middle + 1
    return low


@njit(nogil=True, cache=True)
def alias_table(weights, shares, aliases):
    """Fill ``shares`` and ``aliases`` for drawing cells in proportion to ``weights`` (not all zero)."""
    size = weights.size
    total = weights.sum()
    small = np.empty(size, np.int64)
    large = np.empty(size, np.int64)
    smalls = larges = 0
    for i in range(size):
        shares[i] = weights[i] * size / total
        aliases[i] = i
        if shares[i] < 1.0:
            small[smalls] = i
            smalls += 1
        else:
            large[larges] = i
            larges += 1
    while smalls > 0 and larges > 0:
        smalls -= 1
        poor, rich = small[smalls], large[larges - 1]
        aliases[poor] = rich
        shares[rich] -= 1.0 - shares[poor]
        if shares[rich] < 1.0:
            larges -= 1
            small[smalls] = rich
            smalls += 1
    for i in range(smalls):
        shares[small[i]] = 1.0
    for i in range(larges):
        shares[large[i]] = 1.0
