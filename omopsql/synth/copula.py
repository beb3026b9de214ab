"""The method ``copula``: one latent normal number a column, correlated as the data are.

Where it pays, one column stratifies the others: their margins are counted in each of its bins, and the correlation is
that inside bins. Cells without an order are put in the order that agrees best with the other columns. The model holds
sums of integers over rows: the table of the stratifying column with every other, and products of normal scores.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from .arrays import Arrays
from .cell_sums import chosen_rows
from .copula_tables import copula_of, put_copula
from .gates import shared_gates
from .joint import joint_table, read_joint
from .joint_sums import summed
from .latent import latents_of
from .margins import Margin
from .model import Model
from .ordering import best_orders
from .stratifier import best_stratifier, pair_tables

CHOICE_ROWS = 65_536  # rows that orders and the stratifying column are chosen on; all rows are summed
_LEAST_CHOICE_ROWS = 4096
_CHOICE_WORK = 1 << 26  # rows times pairs of latents


def fit_copula(
    cells: np.ndarray, margins: list[Margin], min_cell: int, may_stratify: bool = True, rows: int | None = None
) -> pa.Table:
    """Learn a copula from margin cells, int32 of (columns, rows): the joint rows of its model.

    Every n is a sum of integers over rows, the same in any order of them. Orders and the stratifying column are chosen
    on a sample; a column stratifies if simulated pair tables come nearer to the sample's with it than without.
    ``rows`` is how many rows the margins are of, where cells are of more or fewer (no column may stratify then).
    """
    shared = shared_gates(cells, margins)
    latents = latents_of(margins, cells.shape[1] if rows is None else rows, shared)
    most = max(2 * _CHOICE_WORK // len(latents) ** 2, _LEAST_CHOICE_ROWS)
    sample = np.ascontiguousarray(cells[:, chosen_rows(cells, min(CHOICE_ROWS, most))])
    part = latents.counted(sample)
    table = pair_tables(part, sample)
    orders = best_orders(part, table)
    column = best_stratifier(sample, part.ordered(orders), table, min_cell) if may_stratify else -1
    latents = latents.ordered(orders)
    return joint_table(summed(cells, latents, column, min_cell, shared, orders), latents, margins)


def compile_copula(model: Model, arrays: Arrays, given: dict[int, int]) -> int:
    """Put the tables of a model of this method, and return their offset: the header's word JOINT.

    ``given`` fixes cells: learned column (by position) -> cell. The tables follow from the model table alone.
    """
    joint, latents = read_joint(model.joint, model.learned, model.rows)
    return put_copula(arrays, copula_of(joint, latents, model.min_cell), given)
