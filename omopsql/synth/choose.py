"""Which method fits a table best: each is fitted on a sample of rows, and simulated pairs of columns are compared."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from omopsql.udfs.growth import pair_counts

from .bins import bins_of, coded
from .cell_sums import chosen_rows
from .columns import LEARNED
from .compile import compile_cells
from .copula import fit_copula
from .margins import Margin
from .model import Model
from .tree import STRUCTURE_ROWS, fit_tree

TRIAL_ROWS = 20_000  # rows that each method is fitted on, and rows that it then simulates
TRIAL_SEED = 778
_ROWS_A_CELL = 10.0  # of a pair table, so that it is more than noise
_FEWEST_BINS, _MOST_BINS = 4, 24

_FIT = {"copula": fit_copula, "tree": fit_tree}


def fit_joint(method: str, cells: np.ndarray, margins: list[Margin], rows: int, min_cell: int) -> Model:
    """Fit the joint statistics by one method, or by the one that ``auto`` prefers. ``cells``: (columns, rows)."""
    learned = [margin for margin in margins if margin.column.kind in LEARNED]
    chosen = chosen_rows(cells, STRUCTURE_ROWS)
    if method == "auto":
        method = best_method(np.ascontiguousarray(cells[:, chosen]), learned, min_cell)
    joint = fit_tree(cells, learned, min_cell, chosen) if method == "tree" else fit_copula(cells, learned, min_cell)
    return Model(method, rows, min_cell, margins, joint)


def best_method(cells: np.ndarray, margins: list[Margin], min_cell: int) -> str:
    """Choose the method whose simulated pair tables come nearest to the data's, on a sample of its rows.

    ``margins`` are those of the learned columns, whose cells are given (columns, rows).
    """
    distances = method_distances(cells, margins, min_cell)
    return min(distances, key=lambda method: distances[method])


def method_distances(cells: np.ndarray, margins: list[Margin], min_cell: int) -> dict[str, float]:
    """Mean total variation distance over all pairs of columns, between the data and what each method simulates."""
    sample = np.ascontiguousarray(cells[:, chosen_rows(cells, TRIAL_ROWS)])
    learned = [replace(m, n=np.bincount(sample[j], minlength=len(m.n))) for j, m in enumerate(margins)]
    most = min(max(int(math.sqrt(sample.shape[1] / _ROWS_A_CELL)), _FEWEST_BINS), _MOST_BINS)
    maps = [bins_of(margin, most) for margin in learned]
    seen = coded(sample, maps)
    found = {}
    for method, fit in _FIT.items():
        model = Model(method, sample.shape[1], min_cell, learned, fit(sample, learned, min_cell))
        made = compile_cells(model).rows(TRIAL_SEED, 0, TRIAL_ROWS).astype(np.int64)
        found[method] = _distance(seen, coded(made, maps))
    return found


def _distance(seen: np.ndarray, made: np.ndarray) -> float:
    sizes = np.maximum(seen.max(axis=1), made.max(axis=1)).astype(int) + 1
    distances = []
    for i in range(len(sizes)):
        for j in range(i):
            tables = np.zeros((2, sizes[i], sizes[j]), np.int64)
            pair_counts(seen, i, j, tables[0])
            pair_counts(made, i, j, tables[1])
            difference = tables[0] / seen.shape[1] - tables[1] / made.shape[1]
            distances.append(0.5 * np.abs(difference).sum())
    return float(np.mean(distances))
