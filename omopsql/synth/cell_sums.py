"""Sums over rows of cells: pair tables, and products of scores. All are integers and do not depend on row order."""

from __future__ import annotations

import numpy as np
from numba import njit

from .sorting import sorted_order

_BLOCK = 2048
_STRIP = 64  # products of scores up to 4096 x 4096: so many of them fit into 32 bits
_PRIME = np.uint64(0x100000001B3)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


@njit(nogil=True, inline="always")
def mixed(word):
    """Mix the bits of a 64-bit word. Source: splitmix64, G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014."""
    word += _STEP
    word = (word ^ (word >> _SHIFTS[0])) * _FIRST
    word = (word ^ (word >> _SHIFTS[1])) * _SECOND
    return word ^ (word >> _SHIFTS[2])


@njit(nogil=True, cache=True)
def sum_words(cells, first, first_row, sums):
    """Sum a random word a row over the rows of each cell from ``first`` on: where sums are equal, so are the rows."""
    for i in range(cells.size):
        if cells[i] >= first:
            sums[cells[i] - first] += mixed(first_row + np.uint64(i))


@njit(nogil=True, cache=True)
def _row_words(cells, words):
    """A word for each row from its content alone."""
    columns, rows = cells.shape
    for start in range(0, rows, _BLOCK):
        stop = min(start + _BLOCK, rows)
        words[start:stop] = 0
        for j in range(columns):
            for i in range(start, stop):
                words[i] = (words[i] ^ np.uint64(cells[j, i])) * _PRIME
        for i in range(start, stop):
            words[i] = mixed(words[i])


def chosen_rows(cells: np.ndarray, most: int) -> np.ndarray:
    """Choose at most ``most`` rows by their content, evenly from all of them sorted by a hash; all when they are few.

    Which contents are chosen does not depend on the order of the rows. cells: (columns, rows).
    """
    rows = cells.shape[1]
    if rows <= most:
        return np.arange(rows)
    words = np.empty(rows, np.uint64)
    _row_words(cells, words)
    words >>= np.uint64((rows - 1).bit_length())  # room for the row's number: what is left tells rows apart well enough
    return np.sort(sorted_order(words)[np.arange(most) * rows // most])


@njit(nogil=True, cache=True)
def _count_pairs(states, sizes, offsets, tables):
    latents, rows = states.shape
    pair = 0
    for i in range(latents):
        for j in range(i + 1, latents):
            table = tables[offsets[pair] : offsets[pair + 1]]
            for row in range(rows):
                table[states[i, row] * sizes[j] + states[j, row]] += 1
            pair += 1


class PairTables:
    """Contingency tables of every pair of latents, whose coarse states are small integers from 0; at first empty."""

    def __init__(self, sizes: np.ndarray, rows: int) -> None:
        self.sizes = np.asarray(sizes, np.int64)
        self.rows = rows
        first, second = np.triu_indices(len(self.sizes), 1)
        self._offsets = np.concatenate([[0], np.cumsum(self.sizes[first] * self.sizes[second])])
        self._pair = np.zeros((len(self.sizes), len(self.sizes)), np.int64)
        self._pair[first, second] = self._pair[second, first] = np.arange(len(first))
        self.counts = np.zeros(self._offsets[-1], np.int32)

    @classmethod
    def counted(cls, states: np.ndarray, sizes: np.ndarray) -> PairTables:
        """Count the states, (latents, rows)."""
        tables = cls(sizes, states.shape[1])
        _count_pairs(states, tables.sizes, tables._offsets, tables.counts)
        return tables

    def __call__(self, i: int, j: int) -> np.ndarray:
        """The table of latents ``i`` (down) and ``j`` (across)."""
        pair = self._pair[i, j]
        first, second = min(i, j), max(i, j)
        table = self.counts[self._offsets[pair] : self._offsets[pair + 1]]
        table = table.reshape(self.sizes[first], self.sizes[second])
        return table if i < j else table.T

    def distance(self, other: PairTables) -> float:
        """Mean total variation distance of all tables from those of other rows."""
        apart = np.abs(self.counts / self.rows - other.counts / other.rows).sum()
        return float(0.5 * apart / max(len(self._offsets) - 1, 1))


@njit(nogil=True, cache=True)
def cross_counts(first, second, first_bins, second_bins, table):
    """Count the bins of one column's cells with the bins of another's into ``table``."""
    for row in range(first.size):
        table[first_bins[first[row]], second_bins[second[row]]] += 1


@njit(nogil=True, cache=True)
def _add_products(scores, rows, products):
    """Add the products of all pairs of latents over a block, in 32 bits within a strip, in 64 across strips."""
    for i in range(scores.shape[0]):
        for j in range(i + 1):
            total = np.int64(0)
            for start in range(0, rows, _STRIP):
                first, second = scores[i, start : start + _STRIP], scores[j, start : start + _STRIP]
                strip = np.int32(0)
                for k in range(_STRIP):
                    strip = np.int32(strip + np.int32(np.int32(first[k]) * np.int32(second[k])))
                total += strip
            products[i, j] += total


@njit(nogil=True, cache=True)
def score_products(cells, stratifier, stratum_of, columns, strides, offsets, scores, products):
    """Add up the products of scores of every pair of latents, over all rows, into the lower half of ``products``,
    diagonal included.

    ``cells``: (columns, rows). Latent k scores the cells of column ``columns[k]`` by the table at ``offsets[k]`` of
    ``scores`` (int16), one row of ``strides[k]`` cells a stratum (0: all share one). ``stratum_of`` gives the stratum
    of each cell of column ``stratifier``.
    """
    latents, rows = columns.size, cells.shape[1]
    block = np.zeros((latents, _BLOCK), np.int16)
    strata = np.zeros(_BLOCK, np.int64)
    for start in range(0, rows, _BLOCK):
        size = min(_BLOCK, rows - start)
        block[:, size:] = 0
        for i in range(size):
            strata[i] = stratum_of[cells[stratifier, start + i]]
        for k in range(latents):
            of_column, stride, offset = cells[columns[k]], strides[k], offsets[k]
            for i in range(size):
                block[k, i] = scores[offset + stride * strata[i] + of_column[start + i]]
        _add_products(block, size, products)


@njit(nogil=True, cache=True)
def asked_together(cells, stratifier, stratum_of, columns, first_cells, asked, counts):
    """Count, by stratum, the rows in which the values behind two gates are both asked for.

    Gate g is column ``columns[g]``: ``asked[first_cells[g] + cell]`` says whether its cell has a value. ``counts``:
    (strata, gates, gates).
    """
    gates = columns.size
    open_gates = np.empty(gates, np.int64)
    for i in range(cells.shape[1]):
        stratum = stratum_of[cells[stratifier, i]]
        found = 0
        for g in range(gates):
            if asked[first_cells[g] + cells[columns[g], i]]:
                open_gates[found] = g
                found += 1
        for a in range(found):
            for b in range(a + 1):
                counts[stratum, open_gates[a], open_gates[b]] += 1
