"""Going down trees whose nodes are two words: the mask of codes that go left, and what a leaf and a split tell.

The second word holds the left child in 32 bits, the number of a leaf in 24, and the column asked in 8. The right
child follows the left one. A leaf leads to itself.
"""

import numpy as np
from numba import njit

CHILD, LEAF = np.uint64(32), np.uint64(8)  # bits of the second word from which on each stands
_ONE, _TWO, _COLUMN = np.uint64(1), np.uint64(2), np.uint64(0xFF)


@njit(nogil=True, inline="always")
def step(words, nodes, node, codes, row):
    """Go down one level. All indices are unsigned: signed ones would be checked for wrapping around."""
    at = nodes + _TWO * node
    leads = words[at + _ONE]
    code = np.uint64(codes[leads & _COLUMN, row])
    return (leads >> CHILD) + _ONE - ((words[at] >> code) & _ONE)


@njit(nogil=True, inline="always")
def descend(words, nodes, depth, codes, places, rows):
    """Go down ``depth`` levels with the first ``rows`` rows of ``codes`` (columns, rows), from ``places`` on."""
    for _ in range(depth >> 1):  # two levels at a time: half the reading and writing of places
        for i in range(np.uint64(rows)):
            places[i] = step(words, nodes, step(words, nodes, places[i], codes, i), codes, i)
    if depth & 1:
        for i in range(np.uint64(rows)):
            places[i] = step(words, nodes, places[i], codes, i)
