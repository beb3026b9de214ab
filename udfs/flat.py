"""Rows of one flat table from a compiled model: the methods ``independent``, ``copula`` and ``tree`` side by side.

A model is two arrays of one length, ``ints`` and ``reals``. Words 0 to 5 are the header; each learned column has a
record of ``RECORD`` words. ``omopsql.synth.compile`` writes this layout, and nothing else reads it.
"""

import numpy as np
from numba import njit

from .draw import draw_cell, value_in_cell
from .philox import philox_words, uniform_52

METHOD, COLUMNS, RECORDS, EXTRA, HEADER = range(5)  # words of the header
INDEPENDENT, COPULA, TREE = range(3)  # methods

# Words of a column's record: the slots that it writes (-1: none), how many of its cells are numbers, the cell of the
# missing values (-1: none), how many cells there are, where its numbers and its margin's alias table begin.
NUMBER_SLOT, LABEL_SLOT, NUMBERS, MISSING, CELLS, VALUES, ALIAS, RECORD = range(8)

BLOCK = 256


@njit(inline="always", nogil=True)
def put_cell(ints, reals, record, cell, u, row, out):
    """Write the content of a cell into the slots of a column: a number, a label's code, or NaN."""
    numbers = ints[record + NUMBERS]
    number = label = np.nan
    if cell < numbers:
        values = ints[record + VALUES]
        number = value_in_cell(reals[values + 1 + cell], reals[values + 1 + numbers + cell], reals[values], u)
    elif cell != ints[record + MISSING]:
        label = np.float64(cell - numbers)
    if ints[record + NUMBER_SLOT] >= 0:
        out[ints[record + NUMBER_SLOT], row] = number
    if ints[record + LABEL_SLOT] >= 0:
        out[ints[record + LABEL_SLOT], row] = label


@njit(nogil=True, cache=True, error_model="numpy")
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
def fill_table(ints, reals, seed, first, out):
    """Write the rows ``first``, ``first + 1``, ... into ``out`` (slots, rows). A pure function of its arguments."""
    fill_independent(ints, reals, seed, first, out)
