"""Rows of one flat table from a compiled model, whatever its method."""

from numba import njit

from .copula import fill_copula
from .draw import draw_cell
from .layout import ALIAS, CELLS, COLUMNS, COPULA, METHOD, RECORD, RECORDS, TREE, put_cell
from .philox import philox_words, uniform_52
from .tree import fill_tree


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
    if ints[METHOD] == COPULA:
        fill_copula(ints, reals, seed, first, out)
    elif ints[METHOD] == TREE:
        fill_tree(ints, reals, seed, first, out)
    else:
        fill_independent(ints, reals, seed, first, out)
