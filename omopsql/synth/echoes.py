"""Echoes: a column that often repeats the very value of another, finer than their bins tell.

As where a discharge falls on the day of admission, or a person's weight in a survey is that of the household.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .margins import Margin

_LEAST_SHARE = 0.02  # of the rows, beyond what the bins explain


@dataclass(frozen=True)
class Echo:
    """The column ``parent`` whose value is repeated, and for each of its cells the cell that repeats it (-1: none)."""

    parent: int
    repeats: np.ndarray


def found_echoes(
    cells: np.ndarray, bins: list[np.ndarray], margins: list[Margin], order: list[int], min_cell: int
) -> dict[int, Echo]:
    """For each column of ``order``, the earlier column that it repeats most, beyond chance within bins.

    ``cells`` (columns, rows), ``bins`` the bin of each cell. Cells alone in their bins repeat nothing that their bins
    do not tell.
    """
    rows = cells.shape[1]
    echoes = {}
    contents = _numbered(margins)
    for position, j in enumerate(order):
        held = np.bincount(bins[j], weights=margins[j].n)
        share = margins[j].n / np.maximum(held[bins[j]], 1.0)
        fine = np.bincount(bins[j])[bins[j]] > 1
        best = max(_LEAST_SHARE * rows, 2.0 * min_cell)
        for parent in order[:position] if fine.any() else ():
            repeats = contents.repeating(parent, j)
            repeats = np.where((repeats >= 0) & fine[repeats], repeats, -1)
            if not (repeats >= 0).any():
                continue
            repeated = repeats[cells[parent]]
            same = int((repeated == cells[j]).sum())
            near = (repeated >= 0) & (bins[j][repeated] == bins[j][cells[j]])
            excess = same - float(share[repeated[near]].sum())
            if excess > best:
                best = excess
                echoes[j] = Echo(parent, repeats)
    return echoes


def nearest_cells(parent: Margin, child: Margin) -> np.ndarray:
    """For each cell of ``parent`` the cell of ``child`` with the same content, else the nearest, else the commonest."""
    same = _numbered([parent, child]).repeating(0, 1)
    nearest = np.full(len(same), int(np.argmax(child.n)))
    if child.numbers:
        middle, own = 0.5 * (child.low + child.high), 0.5 * (parent.low + parent.high)
        cuts = 0.5 * (middle[1:] + middle[:-1])
        nearest[: parent.numbers] = np.searchsorted(cuts, own)
    return np.where(same >= 0, same, nearest)


@dataclass(frozen=True)
class _Numbered:
    """The contents of several columns' cells as numbers, equal where contents are; 0: a cell of no single one."""

    numbers: list[np.ndarray]
    size: int

    def repeating(self, parent: int, child: int) -> np.ndarray:
        """For each cell of a parent, the cell of a child that holds the same single value or label; -1: none."""
        cell = np.full(self.size, -1)
        cell[self.numbers[child]] = np.arange(len(self.numbers[child]))
        cell[0] = -1
        return np.asarray(cell[self.numbers[parent]])


def _numbered(margins: list[Margin]) -> _Numbered:
    values = np.concatenate([one.low for one in margins])
    is_single = values == np.concatenate([one.high for one in margins])
    of_line = np.zeros(len(values), np.int64)
    single, place = np.unique(values[is_single], return_inverse=True)
    of_line[is_single] = place + 1
    lines = np.split(of_line, np.cumsum([one.numbers for one in margins])[:-1])
    known: dict[str, int] = {}
    numbers = []
    for margin, line in zip(margins, lines, strict=True):
        labels = [1 + len(single) + known.setdefault(label, len(known)) for label in margin.labels]
        others = len(margin.n) - margin.numbers - len(labels)
        numbers.append(np.concatenate([line, np.array([*labels, *[0] * others], np.int64)]))
    return _Numbered(numbers, 1 + len(single) + len(known))
