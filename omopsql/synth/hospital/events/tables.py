"""Ragged tables of bins to draw from: row r holds bins ``offsets[r]`` to ``offsets[r + 1]`` and cumulative weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..sums import Ints

Bins = tuple[Ints, Ints, np.ndarray]  # first, last, weight
NO_BINS: Bins = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True)
class BinTable:
    """Bins of whole numbers, ``low`` to ``high``, and the weight up to and with each in its row."""

    offsets: Ints
    low: Ints
    high: Ints
    cumulative: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Bins]) -> BinTable:
        """Lay rows end to end."""
        offsets = np.concatenate([[0], np.cumsum([len(row[0]) for row in rows])]).astype(np.int64)
        if not rows:
            return cls(offsets, NO_BINS[0], NO_BINS[1], NO_BINS[2])
        return cls(
            offsets,
            np.concatenate([row[0] for row in rows]).astype(np.int64),
            np.concatenate([row[1] for row in rows]).astype(np.int64),
            np.concatenate([np.cumsum(row[2]) for row in rows]).astype(float),
        )


def grouped(keys: Ints, n: Ints, width: int) -> dict[tuple[int, ...], Bins]:
    """Histograms of released pooled keys, by the first ``width`` numbers of the key."""
    if not len(keys):
        return {}
    bounds = np.flatnonzero(np.any(keys[1:, :width] != keys[:-1, :width], axis=1)) + 1
    found = {}
    for rows in np.split(np.arange(len(keys)), bounds):
        found[tuple(keys[rows[0], :width].tolist())] = (keys[rows, -2], keys[rows, -1], n[rows].astype(float))
    return found
