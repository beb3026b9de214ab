"""What a record carries: which of a person's records stands for him, and the drawing of cells for synthetic records.

Records stand in person order. A record's random numbers are those of its person's stream at a place that the record's
number in its table fixes, so any column of any record can be drawn alone.
"""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .draw import entry_of
from .philox import uniform_52
from .stream import mixed

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
DRAWS = 128  # random numbers that a record may use


@njit(nogil=True, cache=True)
def represent(person, item, hashes, items, chosen):
    """Mark in ``chosen`` one record of each person and item: the one with the smallest hash.

    ``person`` rises; ``item`` counts from 0 to ``items`` - 1.
    """
    owner = np.full(items, -1, np.int64)
    best = np.zeros(items, np.int64)
    for row in range(person.size):
        of = item[row]
        if owner[of] != person[row]:
            owner[of], best[of] = person[row], row
            chosen[row] = True
        elif hashes[row] < hashes[best[of]]:
            chosen[best[of]] = False
            chosen[row] = True
            best[of] = row


@njit(inline="always", nogil=True)
def uniform_at(state, place):
    """The number at a place of a stream, strictly between 0 and 1."""
    word = mixed(state + (np.uint64(place) + np.uint64(1)) * _GAMMA)
    return uniform_52(word >> _32, word & _LOW)


@borrowing(cache=True)
def number_within(offsets, places):
    """Number the records of each person from 0; ``offsets`` say where each person's begin."""
    for i in range(offsets.size - 1):
        for row in range(offsets[i], offsets[i + 1]):
            places[row] = row - offsets[i]


@borrowing(cache=True)
def draw_cells(starts, cumulative, groups, states, person, places, draw, cells):
    """Draw an entry of each record's group; -1 where the group is -1 or has no entry.

    Group g has the entries ``starts[g]`` to ``starts[g + 1]``, with cumulative weights that begin anew in each.
    """
    for row in range(groups.size):
        group = groups[row]
        if group < 0 or starts[group] == starts[group + 1]:
            cells[row] = -1
            continue
        u = uniform_at(states[person[row]], places[row] * DRAWS + draw)
        cells[row] = entry_of(cumulative, starts[group], starts[group + 1], u)


@borrowing(cache=True)
def draw_within(low, high, bins, states, person, places, draw, values):
    """Draw a whole number in each record's bin, both ends included. Records without a bin (-1) keep their value."""
    for row in range(bins.size):
        at = bins[row]
        if at >= 0:
            span = high[at] - low[at] + 1
            u = uniform_at(states[person[row]], places[row] * DRAWS + draw)
            values[row] = low[at] + min(np.int64(u * span), span - 1)


@borrowing(cache=True)
def uniforms_at(states, person, places, drawn):
    """Fill each row of ``drawn`` with the first random numbers at its place."""
    for row in range(person.size):
        for k in range(drawn.shape[1]):
            drawn[row, k] = uniform_at(states[person[row]], places[row] * DRAWS + k)
