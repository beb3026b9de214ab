"""Rows by context trees: column after column, the context from the codes drawn so far.

A tree is walked level by level over a block of rows, so no branch depends on the data. A node is two words: the mask of
codes that go left, and (left child, leaf number, feature) in 32, 24 and 8 bits. A leaf leads to itself.
"""

import numpy as np
from numba import njit

from .draw import alias_table, draw_cell
from .layout import COLUMNS, GIVEN, JOINT, RECORD, RECORDS, put_cell
from .philox import philox_words, uniform_32

# Words of a tree: the column it draws; how many bins; where its nodes, its leaves' distributions, the cells of its bins
# and the codes of its cells begin; its depth; the given cell (-1: none) and where the likelihood of that cell in each
# leaf begins.
COLUMN, BINS, NODES, LEAVES, FINE, CODES, DEPTH, GIVEN_CELL, LIKELIHOOD, TREE = range(10)

_BLOCK = 2048
_STREAM = 2
_CANDIDATES = 32
_SHARE_BITS = 24
_UNIT_SHARE = 1.0 / (1 << _SHARE_BITS)


@njit(nogil=True, cache=True)
def packed_aliases(probabilities):
    """Alias tables of distributions (leaves, bins), one word an entry: share (24 bits) and alias (8 bits)."""
    leaves, bins = probabilities.shape
    packed = np.empty(leaves * bins, np.int64)
    shares, aliases = np.empty(bins), np.empty(bins, np.int64)
    for leaf in range(leaves):
        alias_table(probabilities[leaf], shares, aliases)
        for b in range(bins):
            share = np.int64(shares[b] * (1 << _SHARE_BITS) + 0.5)
            packed[leaf * bins + b] = share << 8 | aliases[b]
    return packed


@njit(nogil=True, inline="always")
def _step(ints, nodes, node, codes, row):
    """Go down one level."""
    mask, leads = ints[nodes + 2 * node], ints[nodes + 2 * node + 1]
    return (leads >> 32) + 1 - ((mask >> np.int64(codes[leads & 0xFF, row])) & 1)


@njit(nogil=True, inline="always")
def _leaf_number(ints, nodes, node):
    return (ints[nodes + 2 * node + 1] >> 8) & 0xFFFFFF


@njit(nogil=True, inline="always")
def _draw_bin(ints, leaves, leaf, bins, u):
    """Draw a bin from a leaf's distribution."""
    scaled = u * bins
    column = min(np.int64(scaled), bins - 1)
    entry = ints[leaves + leaf * bins + column]
    return column if scaled - column < (entry >> 8) * _UNIT_SHARE else entry & 0xFF


@njit(nogil=True, inline="always")
def _draw_fine(ints, reals, fine, b, u):
    """Draw a cell inside a bin; return it and a fresh uniform number."""
    table, members, size = ints[fine + 3 * b], ints[fine + 3 * b + 1], ints[fine + 3 * b + 2]
    if size == 1:
        return ints[members], u
    at, left = draw_cell(ints, reals, table, size, u)
    return ints[members + at], left


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_block(ints, reals, seed, first, start, stop, codes, node, uniform, out):
    """Write rows ``start`` to ``stop`` of ``out``. One Philox call serves two columns."""
    for t in range(ints[COLUMNS]):
        tree = ints[JOINT] + t * TREE
        nodes, leaves, fine, bins = ints[tree + NODES], ints[tree + LEAVES], ints[tree + FINE], ints[tree + BINS]
        column, code_table = ints[tree + COLUMN], ints[tree + CODES]
        record = ints[RECORDS] + column * RECORD
        if t & 1 == 0:
            for i in range(stop - start):
                words = philox_words(seed, first + start + i, t >> 1, _STREAM)
                for k in range(4):
                    uniform[k, i] = uniform_32(words[k])
        node[: stop - start] = 0
        for _ in range(ints[tree + DEPTH]):
            for i in range(stop - start):
                node[i] = _step(ints, nodes, node[i], codes, i)
        for i in range(stop - start):
            b = _draw_bin(ints, leaves, _leaf_number(ints, nodes, node[i]), bins, uniform[2 * (t & 1), i])
            cell, u = _draw_fine(ints, reals, fine, b, uniform[2 * (t & 1) + 1, i])
            codes[column, i] = np.uint8(ints[code_table + cell])
            put_cell(ints, reals, record, cell, u, start + i, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _draw_candidate(ints, reals, seed, row, candidate, codes, cells, places):
    """Draw one row with the given cells put in place; return how likely those cells are in their contexts."""
    likelihood = 1.0
    for t in range(ints[COLUMNS]):
        tree = ints[JOINT] + t * TREE
        nodes, column = ints[tree + NODES], ints[tree + COLUMN]
        node = np.int64(0)
        for _ in range(ints[tree + DEPTH]):
            node = _step(ints, nodes, node, codes, 0)
        leaf = _leaf_number(ints, nodes, node)
        words = philox_words(seed, row, t, _STREAM + 1 + candidate)
        cells[column], places[column] = ints[tree + GIVEN_CELL], uniform_32(words[2])
        if cells[column] >= 0:
            likelihood *= reals[ints[tree + LIKELIHOOD] + leaf]
        else:
            b = _draw_bin(ints, ints[tree + LEAVES], leaf, ints[tree + BINS], uniform_32(words[0]))
            cells[column], places[column] = _draw_fine(ints, reals, ints[tree + FINE], b, uniform_32(words[1]))
        codes[column, 0] = np.uint8(ints[ints[tree + CODES] + cells[column]])
    return likelihood


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_given(ints, reals, seed, first, out):
    """Write rows under given cells: of a few candidates, one is chosen in proportion to its likelihood.

    Source: sampling importance resampling, D. B. Rubin, Journal of the American Statistical Association 82 (1987).
    """
    columns = ints[COLUMNS]
    codes = np.zeros((columns, 1), np.uint8)
    cells, places = np.empty(columns, np.int64), np.empty(columns)
    kept_cells, kept_places = np.empty(columns, np.int64), np.empty(columns)
    for i in range(out.shape[1]):
        total = 0.0
        for candidate in range(_CANDIDATES):
            codes[:] = 0
            likelihood = _draw_candidate(ints, reals, seed, first + i, candidate, codes, cells, places)
            total += likelihood
            choice = uniform_32(philox_words(seed, first + i, candidate, _STREAM)[3])
            if candidate == 0 or choice * total < likelihood:
                kept_cells[:], kept_places[:] = cells, places
        for column in range(columns):
            record = ints[RECORDS] + column * RECORD
            put_cell(ints, reals, record, kept_cells[column], kept_places[column], i, out)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_tree(ints, reals, seed, first, out):
    """Write the rows ``first``, ``first + 1``, ... into ``out`` (slots, rows)."""
    if ints[GIVEN] != 0:
        _fill_given(ints, reals, seed, first, out)
        return
    block = min(_BLOCK, out.shape[1])
    codes, node, uniform = np.zeros((ints[COLUMNS], block), np.uint8), np.zeros(block, np.int64), np.empty((4, block))
    for start in range(0, out.shape[1], _BLOCK):
        _fill_block(ints, reals, seed, first, start, min(start + _BLOCK, out.shape[1]), codes, node, uniform, out)
