"""Which columns are missing together: gates that agree in every row are one."""

from __future__ import annotations

import numpy as np

from .cell_sums import sum_words
from .latent import SharedGate, apart, coarse_bins
from .margins import Margin

Prints = dict[int, int]  # the rows of a cell, as a number -> the cell


def shared_gates(cells: np.ndarray, margins: list[Margin]) -> list[SharedGate]:
    """Find the columns whose cells apart hold the same rows, from the cells, (columns, rows)."""
    return gates_of([row_words(cells[j], margin, 0) for j, margin in enumerate(margins)], margins)


def row_words(cells: np.ndarray, margin: Margin, first: int) -> np.ndarray:
    """Sum a random word a row over the rows of each cell beside the number line, uint64: equal rows, equal sums.

    ``first`` numbers the first row; sums of sources whose rows are numbered apart can be added.
    """
    sums = np.zeros(len(margin.n) - margin.numbers, np.uint64)
    if len(sums):
        sum_words(cells, margin.numbers, np.uint64(first), sums)
    return sums


def gates_of(words: list[np.ndarray], margins: list[Margin]) -> list[SharedGate]:
    """Find the columns whose cells apart hold the same rows, from the words of each column's cells.

    A label of a category that holds the same rows as a cell apart of another column stands for "missing", and is
    taken apart too.
    """
    prints = [
        {int(word): margin.numbers + k for k, word in enumerate(of_column) if word}
        for of_column, margin in zip(words, margins, strict=True)
    ]
    gates: dict[frozenset[int], list[int]] = {}
    for j, margin in enumerate(margins):
        own = _pattern(prints[j], apart(margin))
        if own:
            gates.setdefault(own, []).append(j)
    known = list(gates)
    for j, margin in enumerate(margins):
        own = _pattern(prints[j], apart(margin))
        wider = [pattern for pattern in known if pattern > own and _may_stand_apart(pattern, prints[j], margin)]
        if wider:
            if own:
                gates[own].remove(j)
            gates[max(wider, key=len)].append(j)
    return [_shared(pattern, sorted(columns), prints) for pattern, columns in gates.items() if len(columns) > 1]


def _pattern(prints: Prints, cells: tuple[int, ...]) -> frozenset[int]:
    return frozenset(word for word, cell in prints.items() if cell in cells)


def _may_stand_apart(pattern: frozenset[int], prints: Prints, margin: Margin) -> bool:
    """Whether a category has all cells of a pattern, each a bin of its own, and others beside them."""
    if margin.numbers or not pattern <= prints.keys() or len(pattern) >= len(prints):
        return False
    bins = coarse_bins(margin)
    return all(int((bins == bins[prints[word]]).sum()) == 1 for word in pattern)


def _shared(pattern: frozenset[int], columns: list[int], prints: list[Prints]) -> SharedGate:
    words = sorted(pattern, key=lambda word: prints[columns[0]][word])
    return {j: tuple(prints[j][word] for word in words) for j in columns}
