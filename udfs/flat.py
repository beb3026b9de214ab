"""Rows of one flat table from a compiled model, whatever its method."""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .copula import fill_copula
from .draw import draw_cell
from .layout import (
    ALIAS,
    CELLS,
    COLUMNS,
    COPULA,
    METHOD,
    MIXTURE,
    PART,
    PART_END,
    PART_START,
    RECORD,
    RECORDS,
    TREE,
    put_cell,
)
from .philox import philox_words, uniform_52
from .tree import fill_tree

_PART_STREAM = 4  # Philox streams 0 to 3 belong to cells and lives


@borrowing(cache=True, error_model="numpy")
def fill_independent(ints, reals, seed, first, out):
    """Draw every column from its own margin."""
    for j in range(ints[COLUMNS]):
        record = ints[RECORDS] + j * RECORD
        alias, cells = ints[record + ALIAS], ints[record + CELLS]
        for i in range(out.shape[1]):
            words = philox_words(seed, first + i, j, 0)
            cell, u = draw_cell(ints, reals, alias, cells, uniform_52(words[0], words[1]))
            put_cell(ints, reals, record, cell, u, i, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_part(ints, reals, seed, first, out):
    """Write rows by the method of a model that is no mixture."""
    if ints[METHOD] == COPULA:
        fill_copula(ints, reals, seed, first, out)
    elif ints[METHOD] == TREE:
        fill_tree(ints, reals, seed, first, out)
    else:
        fill_independent(ints, reals, seed, first, out)


@borrowing(cache=True, error_model="numpy")
def _part_of(ints, reals, seed, row):
    """Draw the part of a mixture that a row belongs to."""
    parts, records = ints[COLUMNS], ints[RECORDS]
    words = philox_words(seed, row, 0, _PART_STREAM)
    u, part = uniform_52(words[0], words[1]), 0
    while part < parts - 1 and u >= reals[records + part * PART + PART_END]:
        part += 1
    return part


@njit(nogil=True, cache=True, error_model="numpy")
def fill_mixture(ints, reals, seed, first, out):
    """Write each row as the part that it belongs to would: rows of one part that follow each other at once."""
    rows, i = out.shape[1], 0
    following = _part_of(ints, reals, seed, first)
    while i < rows:
        part, end = following, i
        while end < rows and following == part:
            end += 1
            following = _part_of(ints, reals, seed, first + end)
        record = ints[RECORDS] + part * PART
        own = slice(ints[record + PART_START], ints[record + PART_END])
        drawn = np.empty((out.shape[0], end - i))
        _fill_part(ints[own], reals[own], seed, first + i, drawn)
        out[:, i:end] = drawn
        i = end


@njit(nogil=True, cache=True, error_model="numpy")
def fill_table(ints, reals, seed, first, out):
    """Write the rows ``first``, ``first + 1``, ... into ``out`` (slots, rows). A pure function of its arguments."""
    if ints[METHOD] == MIXTURE:
        fill_mixture(ints, reals, seed, first, out)
    else:
        _fill_part(ints, reals, seed, first, out)
