"""Which columns are missing together: gates that agree in every row are one."""

from __future__ import annotations

import numpy as np

from .cell_sums import sum_words
from .latent import SharedGate, apart, coarse_bins
from .margins import Margin

Prints = dict[int, int]  # the rows of a cell, as a number -> the cell


def shared_gates(cells: np.ndarray, margins: list[Margin]) -> list[SharedGate]:
    """Find the columns whose cells apart hold the same rows, from the cells, (columns, rows).

    A label of a category that holds the same rows as a cell apart of another column stands for "missing", and is
    taken apart too.
    """
    prints = [_prints(cells[j], margin) for j, margin in enumerate(margins)]
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


def _prints(cells: np.ndarray, margin: Margin) -> Prints:
    others = len(margin.n) - margin.numbers
    sums = np.zeros(others, np.uint64)
    if others:
        sum_words(cells, margin.numbers, sums)
    return {int(word): margin.numbers + k for k, word in enumerate(sums) if word}


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
