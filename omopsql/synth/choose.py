"""Which method fits a table best."""

from __future__ import annotations

import numpy as np

from .columns import LEARNED
from .copula import fit_copula
from .margins import Margin
from .model import Model
from .tree import fit_tree

_FIT = {"copula": fit_copula, "tree": fit_tree}


def fit_joint(method: str, cells: np.ndarray, margins: list[Margin], rows: int, min_cell: int) -> Model:
    """Fit the joint statistics by one method, or by the one that ``auto`` prefers. ``cells``: (columns, rows)."""
    learned = [margin for margin in margins if margin.column.kind in LEARNED]
    if method == "auto":
        method = "tree"
    return Model(method, rows, min_cell, margins, _FIT[method](cells, learned, min_cell))
