"""Which method fits a table best: each is fitted on a sample of rows, and simulated pairs of columns are compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

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

_CLEARLY = 0.75  # a tree so much nearer than a plain copula: a stratified one seldom catches up
_WAYS: dict[str, tuple[str, Callable[..., pa.Table]]] = {
    "tree": ("tree", fit_tree),
    "copula": ("copula", fit_copula),
    "plain copula": ("copula", partial(fit_copula, may_stratify=False)),
}


def fit_joint(method: str, cells: np.ndarray, margins: list[Margin], rows: int, min_cell: int) -> Model:
    """Fit the joint statistics by one method, or by the one that ``auto`` prefers. ``cells``: (columns, rows)."""
    learned = [margin for margin in margins if margin.column.kind in LEARNED]
    chosen = chosen_rows(cells, STRUCTURE_ROWS)
    if method == "auto":
        method = best_method(np.ascontiguousarray(cells[:, chosen]), learned, min_cell)
    joint = fit_tree(cells, learned, min_cell, chosen) if method == "tree" else fit_copula(cells, learned, min_cell)
    return Model(method, rows, min_cell, margins, joint)


def best_method(cells: np.ndarray, margins: list[Margin], min_cell: int) -> str:
    """Choose the method whose simulated pair tables come nearer to the data's, on a sample of its rows.

    ``margins`` are those of the learned columns, whose cells are given (columns, rows). To look for a stratifying
    column costs most. A copula that is nearer without one is chosen at once, and a tree that is clearly nearer.
    """
    trial = Trial(cells, margins, min_cell)
    tree, plain = trial.distance("tree"), trial.distance("plain copula")
    if plain <= tree:
        return "copula"
    if tree <= _CLEARLY * plain:
        return "tree"
    return "copula" if trial.distance("copula") <= tree else "tree"


class Trial:
    """A sample of rows on which methods are fitted, and what they then simulate is compared."""

    def __init__(self, cells: np.ndarray, margins: list[Margin], min_cell: int) -> None:
        self.sample = np.ascontiguousarray(cells[:, chosen_rows(cells, TRIAL_ROWS)])
        counts = (np.bincount(of_column, minlength=len(m.n)) for of_column, m in zip(self.sample, margins, strict=True))
        self.margins = [replace(margin, n=n) for margin, n in zip(margins, counts, strict=True)]
        self.min_cell = min_cell
        rows = self.sample.shape[1]
        most = min(max(int(math.sqrt(rows / _ROWS_A_CELL)), _FEWEST_BINS), _MOST_BINS)
        self._maps = [bins_of(margin, most) for margin in self.margins]
        self._seen = coded(self.sample, self._maps)

    def distance(self, way: str) -> float:
        """Mean total variation distance over all pairs of columns, between the sample and what one way simulates."""
        method, fit = _WAYS[way]
        joint = fit(self.sample, self.margins, self.min_cell)
        model = Model(method, self.sample.shape[1], self.min_cell, self.margins, joint)
        made = compile_cells(model).rows(TRIAL_SEED, 0, TRIAL_ROWS).astype(np.int64)
        return _distance(self._seen, coded(made, self._maps))


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
