"""The layout of a compiled flat-table model: where its tables stand in ``ints`` and ``reals``.

``omopsql.synth.compile`` writes it; ``flat``, ``copula`` and ``tree`` read it. Both arrays have one length, and a
table has the same offset in both.
"""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .draw import value_in_cell

# Header: the method, how many learned columns, where their records begin, where the method's own tables begin, and
# where the given cells begin (one a column, -1 where nothing is given; 0: nothing is given at all).
METHOD, COLUMNS, RECORDS, JOINT, GIVEN, HEADER = range(6)
INDEPENDENT, COPULA, TREE, MIXTURE = range(4)

# A mixture's header counts its parts as COLUMNS. Its RECORDS hold for each part where it begins and ends (beside the
# ends, in ``reals``, stand the shares of it and all parts before it). Offsets of a part count from its own beginning.
PART_START, PART_END, PART = range(3)

# A column's record: the slots that it writes (-1: none), how many of its cells are numbers, the cell of the missing
# values (-1: none), how many cells there are, where its numbers and its margin's alias table begin.
NUMBER_SLOT, LABEL_SLOT, NUMBERS, MISSING, CELLS, VALUES, ALIAS, RECORD = range(8)


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


@borrowing(cache=True, error_model="numpy")
def put_cells(ints, reals, record, cells, places, start, size, out):
    """Write the contents of ``size`` cells of one column into rows ``start``, ``start + 1``, ... of its slots.

    ``places`` are uniform numbers: where in its cell each number lies.
    """
    numbers, missing = ints[record + NUMBERS], ints[record + MISSING]
    number_slot, label_slot = ints[record + NUMBER_SLOT], ints[record + LABEL_SLOT]
    if number_slot >= 0:
        line = out[number_slot]
        values = ints[record + VALUES]
        scale, first, span = reals[values], values + 1, values + 1 + numbers
        if numbers == ints[record + CELLS]:
            for i in range(size):
                cell = cells[i]
                line[start + i] = value_in_cell(reals[first + cell], reals[span + cell], scale, places[i])
        else:
            for i in range(size):
                cell = cells[i]
                value = np.nan
                if cell < numbers:
                    value = value_in_cell(reals[first + cell], reals[span + cell], scale, places[i])
                line[start + i] = value
    if label_slot >= 0:
        codes = out[label_slot]
        for i in range(size):
            cell = cells[i]
            codes[start + i] = np.float64(cell - numbers) if cell >= numbers and cell != missing else np.nan
