"""Rows by context trees: column after column, the context from the codes drawn so far.

A tree is walked level by level over a block of rows, so no branch depends on the data.
"""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .descent import LEAF, descend, step
from .draw import alias_table
from .layout import COLUMNS, GIVEN, JOINT, RECORD, RECORDS, put_cell, put_cells
from .philox import philox_words, uniform_32

# Words of a tree: the column it draws; how many bins; where its nodes, its leaves' distributions, the cells of its bins
# and the codes of its cells begin; its depth; the given cell (-1: none) and where its likelihoods begin, two a leaf (by
# its bin, and by repeating); the column whose value the last bin repeats (-1: none) and where the cells that repeat
# that one's cells begin; whether a later column repeats this one.
COLUMN, BINS, NODES, LEAVES, FINE, CODES, DEPTH, GIVEN_CELL, LIKELIHOOD, ECHOED, REPEATS, KEPT, TREE = range(13)

_BLOCK = 2048
_STREAM = 2
_CANDIDATES = 32
_SHARE_BITS = 24
_UNIT_SHARE = 1.0 / (1 << _SHARE_BITS)
_ONE, _TWO, _BYTE = np.uint64(1), np.uint64(2), np.uint64(8)
_LOW, _LEAF_NUMBER = np.uint64(0xFF), np.uint64(0xFFFFFF)
_UNIT_24, _UNIT_16 = 1.0 / (1 << 24), 1.0 / (1 << 16)


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
def _leaf_number(words, nodes, node):
    return np.int64((words[nodes + _TWO * node + _ONE] >> LEAF) & _LEAF_NUMBER)


@njit(nogil=True, inline="always")
def _draw_bin(ints, leaves, leaf, bins, u):
    """Draw a bin from a leaf's distribution."""
    scaled = u * bins
    column = min(np.int64(scaled), bins - 1)
    entry = ints[leaves + leaf * bins + column]
    return column if scaled - column < (entry >> 8) * _UNIT_SHARE else entry & 0xFF


@njit(nogil=True, inline="always")
def _draw_fine(ints, reals, fine, b, u):
    """Draw a cell inside a bin: the bin's cells follow each other from its first."""
    first, size = ints[fine + 3 * b], ints[fine + 3 * b + 1]
    scaled = u * size
    column = min(np.int64(scaled), size - 1)
    entry = ints[fine + 3 * b + 2] + column
    return first + (column if scaled - column < reals[entry] else ints[entry])


@njit(nogil=True, inline="always")
def _uniforms(first, second):
    """Split two words into three uniform numbers: for the bin (24 bits), the cell (24), the place in it (16)."""
    bin_, cell = (first >> _BYTE) * _UNIT_24, (second >> _BYTE) * _UNIT_24
    place = ((first & _LOW) << _BYTE | (second & _LOW)) * _UNIT_16 + 0.5 * _UNIT_16
    return bin_, cell, place


@borrowing(cache=True, error_model="numpy")
def _fill_block(ints, reals, seed, first, start, size, room, out):
    """Write ``size`` rows of ``out`` from ``start``. One Philox call serves two columns."""
    codes, node, cells, bin_draw, cell_draw, places, kept = room
    words = ints.view(np.uint64)
    for t in range(ints[COLUMNS]):
        tree = ints[JOINT] + t * TREE
        leaves, fine, bins = ints[tree + LEAVES], ints[tree + FINE], ints[tree + BINS]
        nodes = np.uint64(ints[tree + NODES])
        column, code_table = ints[tree + COLUMN], ints[tree + CODES]
        half = t & 1
        if half == 0:
            for i in range(size):
                w0, w1, w2, w3 = philox_words(seed, first + start + i, t >> 1, _STREAM)
                bin_draw[0, i], cell_draw[0, i], places[0, i] = _uniforms(w0, w1)
                bin_draw[1, i], cell_draw[1, i], places[1, i] = _uniforms(w2, w3)
        node[:size] = 0
        descend(words, nodes, ints[tree + DEPTH], codes, node, size)
        echoed, repeats = ints[tree + ECHOED], ints[tree + REPEATS]
        for i in range(size):
            b = _draw_bin(ints, leaves, _leaf_number(words, nodes, node[i]), bins, bin_draw[half, i])
            if echoed >= 0 and b == bins - 1:
                cell = ints[repeats + kept[echoed, i]]
            else:
                cell = _draw_fine(ints, reals, fine, b, cell_draw[half, i])
            cells[i] = cell
            codes[column, i] = np.uint8(ints[code_table + cell])
        if ints[tree + KEPT] != 0:
            for i in range(size):
                kept[column, i] = cells[i]
        put_cells(ints, reals, ints[RECORDS] + column * RECORD, cells, places[half], start, size, out)


@borrowing(cache=True, error_model="numpy")
def _draw_candidate(ints, reals, seed, row, candidate, codes, cells, places):
    """Draw one row with the given cells put in place; return how likely those cells are in their contexts."""
    likelihood = 1.0
    words = ints.view(np.uint64)
    for t in range(ints[COLUMNS]):
        tree = ints[JOINT] + t * TREE
        nodes, column = np.uint64(ints[tree + NODES]), ints[tree + COLUMN]
        node = np.uint64(0)
        for _ in range(ints[tree + DEPTH]):
            node = step(words, nodes, node, codes, np.uint64(0))
        leaf = _leaf_number(words, nodes, node)
        w0, w1, _, _ = philox_words(seed, row, t, _STREAM + 1 + candidate)
        bin_draw, cell_draw, places[column] = _uniforms(w0, w1)
        echoed = ints[tree + ECHOED]
        repeated = ints[ints[tree + REPEATS] + cells[echoed]] if echoed >= 0 else -1
        cells[column] = ints[tree + GIVEN_CELL]
        if cells[column] >= 0:
            likely = ints[tree + LIKELIHOOD] + 2 * leaf
            same = repeated == cells[column]
            likelihood *= reals[likely] + (reals[likely + 1] if same else 0.0)
        else:
            b = _draw_bin(ints, ints[tree + LEAVES], leaf, ints[tree + BINS], bin_draw)
            if repeated >= 0 and b == ints[tree + BINS] - 1:
                cells[column] = repeated
            else:
                cells[column] = _draw_fine(ints, reals, ints[tree + FINE], b, cell_draw)
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
    room = (
        np.zeros((ints[COLUMNS], block), np.uint8),
        np.zeros(block, np.uint64),
        np.empty(block, np.int64),
        np.empty((2, block)),
        np.empty((2, block)),
        np.empty((2, block)),
        np.empty((ints[COLUMNS], block), np.int32),
    )
    for start in range(0, out.shape[1], _BLOCK):
        _fill_block(ints, reals, seed, first, start, min(_BLOCK, out.shape[1] - start), room, out)
