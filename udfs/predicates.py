"""Predicates over rows, such as age >= 80 and sex = 2: how many rows each of them holds for."""

import numpy as np
from numba import njit

EQUAL, AT_LEAST, AT_MOST, UNEQUAL, ABOVE, BELOW = range(6)


@njit(nogil=True, cache=True)
def count_matches(rows, columns, operators, values, enough):
    """Count the rows (n, d) for which each predicate holds, up to ``enough``: (q).

    Predicate q is a conjunction of comparisons of ``columns[q]`` by ``operators[q]`` with ``values[q]``, each (q, k). A
    missing value (NaN) equals a missing one only.
    """
    found = np.zeros(len(columns), np.int64)
    for q in range(len(columns)):
        for i in range(len(rows)):
            holds = True
            for k in range(columns.shape[1]):
                if not _holds(rows[i, columns[q, k]], operators[q, k], values[q, k]):
                    holds = False
                    break
            found[q] += holds
            if found[q] == enough:
                break
    return found


@njit(nogil=True)
def _holds(x, operator, value):
    if x != x or value != value:
        same = x != x and value != value
        return same if operator == EQUAL else (not same and operator == UNEQUAL)
    if operator == EQUAL:
        return x == value
    if operator == AT_LEAST:
        return x >= value
    if operator == AT_MOST:
        return x <= value
    if operator == UNEQUAL:
        return x != value
    return x > value if operator == ABOVE else x < value
