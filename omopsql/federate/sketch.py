"""A table of fixed size that holds sums by name, and can be added to other such tables word by word.

Sites need not have the same statistics, and need not agree on a list of them. Each *entry* stands in four cells, which
its name decides; a cell is the sum of its entries, names and all. In the sum of all sites' tables, a cell that holds
one entry only shows it; taking that out of its other cells lays open more of them, until nothing is left. Source: M. T.
Goodrich, M. Mitzenmacher, Invertible Bloom lookup tables, Allerton 2011; four places, as many cells as 1.5 times the
entries, where the limit is 1.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from omopsql.errors import OmopsqlError
from omopsql.synth.cell_sums import mixed

from .primitives import Words

WORDS = 5  # of a cell: check and count, parent, two words of name, sum
PLACES = 4
MOST_SITES = 255  # so many equal numbers of 56 bits add up within 64
LEAST_ROOM = 1024
_COUNT = np.uint64(0xFFFF)
_COUNT_BITS, _HASH_SHIFT, _CHECK_SHIFT = np.uint64(16), np.uint64(8), np.uint64(24)
_CHECK_SALT, _PLACE_SALT = np.uint64(0x5851F42D4C957F2D), np.uint64(0xD1342543DE82EF95)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """Entries of a table: ``parent``, ``first`` and ``second`` name each (56 bits a word), ``n`` is its sum."""

    parent: Words
    first: Words
    second: Words
    n: Ints

    def __len__(self) -> int:
        return len(self.n)


def room_for(entries: int) -> int:
    """The room that so many entries need, rounded up to a power of two: the number itself is not told."""
    return max(LEAST_ROOM, 1 << max(entries - 1, 1).bit_length())


def width(room: int) -> int:
    """How many words the table of a room has."""
    return _places(room) * PLACES * WORDS


def _places(room: int) -> int:
    return -(-3 * room // (2 * PLACES))


def written(entries: Entries, room: int) -> Words:
    """Write entries into a table of ``room``."""
    table = np.zeros((_places(room) * PLACES, WORDS), np.uint64)
    _write(entries.parent, entries.first, entries.second, entries.n.view(np.uint64), table)
    return table.reshape(-1)


def read_back(words: Words, room: int, name: str) -> Entries:
    """Read the entries of a sum of tables. Raises OmopsqlError when they cannot all be told apart."""
    table = words.reshape(-1, WORDS).copy()
    parent, first, second, n, found = _peel(table)
    if table.any():
        raise OmopsqlError(
            f"{name} cannot be read: room for {room:,} statistics is too little for all sites together, or a site "
            f"masked with another version; mask with --room {2 * room}"
        )
    return Entries(parent[:found], first[:found], second[:found], n[:found].view(np.int64))


@njit(nogil=True, inline="always")
def entry_id(parent, first, second):
    """A word of 56 bits that stands for an entry, from its name alone."""
    return mixed(mixed(mixed(parent) ^ first) ^ second) >> _HASH_SHIFT


@njit(nogil=True, inline="always")
def _checked(identity):
    return mixed(identity ^ _CHECK_SALT) >> _CHECK_SHIFT


@njit(nogil=True, inline="always")
def _place(identity, k, places):
    word = mixed(identity ^ (_PLACE_SALT * np.uint64(k + 1)))
    return np.int64(k) * places + np.int64(((word >> np.uint64(32)) * np.uint64(places)) >> np.uint64(32))


@njit(nogil=True, cache=True)
def _write(parent, first, second, n, table):
    places = table.shape[0] // PLACES
    for i in range(n.size):
        identity = entry_id(parent[i], first[i], second[i])
        head = (_checked(identity) << _COUNT_BITS) + np.uint64(1)
        for k in range(PLACES):
            cell = table[_place(identity, k, places)]
            cell[0] += head
            cell[1] += parent[i]
            cell[2] += first[i]
            cell[3] += second[i]
            cell[4] += n[i]


@njit(nogil=True, inline="always")
def _is_single(cell):
    """Whether a cell holds one entry, from any number of sites."""
    count = cell[0] & _COUNT
    if count == 0 or count > MOST_SITES:
        return False
    if cell[1] % count or cell[2] % count or cell[3] % count:
        return False
    identity = entry_id(cell[1] // count, cell[2] // count, cell[3] // count)
    return cell[0] == ((_checked(identity) << _COUNT_BITS) + np.uint64(1)) * count


@njit(nogil=True, cache=True)
def _peel(table):
    """Take single entries out of all their cells until none is left to be seen."""
    cells = table.shape[0]
    places = cells // PLACES
    parent, first = np.empty(cells, np.uint64), np.empty(cells, np.uint64)
    second, n = np.empty(cells, np.uint64), np.empty(cells, np.uint64)
    taken = np.empty(WORDS, np.uint64)
    waiting = np.empty(cells * (PLACES + 1), np.int64)
    for c in range(cells):
        waiting[c] = cells - 1 - c
    last, found = cells, 0
    while last > 0 and found < cells:
        last -= 1
        cell = table[waiting[last]]
        if not _is_single(cell):
            continue
        taken[:] = cell
        count = taken[0] & _COUNT
        parent[found], first[found], second[found] = taken[1] // count, taken[2] // count, taken[3] // count
        n[found] = taken[4]
        identity = entry_id(parent[found], first[found], second[found])
        found += 1
        for k in range(PLACES):
            place = _place(identity, k, places)
            for w in range(WORDS):
                table[place, w] -= taken[w]
            waiting[last] = place
            last += 1
    return parent, first, second, n, found
