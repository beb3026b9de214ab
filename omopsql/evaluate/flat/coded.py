"""A table as small whole numbers: what tables of counts are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.encode import codes
from omopsql.evaluate.sides import Int64s, Sides
from omopsql.udfs.two_samples import joint_difference

from .contrast import Contrast

_LEAST_BINS, _MOST_BINS = 4, 20
_ROWS_OF_CELL = 20  # in a table of two columns: fewer would compare noise
_MOST_CODES = 100  # of a label; the rarer values share one


@dataclass(frozen=True)
class Coded:
    """The columns (k) of the real and the synthetic side as codes from 0, (k, n) and (k, m), of ``sizes`` (k)."""

    names: tuple[str, ...]
    real: Int64s
    synthetic: Int64s
    sizes: Int64s

    def contrast(self, columns: Iterable[int]) -> Contrast:
        """Return the total variation distance of the cells that some columns form."""
        chosen = np.array(list(columns))
        return Contrast(*joint_difference(self.real[chosen], self.synthetic[chosen], self.sizes[chosen]))

    def subject(self, columns: Iterable[int]) -> str:
        """Name the columns."""
        return ", ".join(self.names[column] for column in columns)


def coded(sides: Sides, bins: int) -> Coded:
    """Code the columns that are no identifiers: labels and few-valued numbers as they are, others in quantile bins."""
    names = tuple(name for name in sides.columns if name not in sides.identifiers)
    found = [codes(sides, name, bins) for name in names]
    real = np.empty((len(names), len(sides.real)), np.int64)
    synthetic = np.empty((len(names), len(sides.synthetic)), np.int64)
    sizes = np.empty(len(names), np.int64)
    for place, one in enumerate(found):
        real[place], synthetic[place], sizes[place] = _common(one.sides[0], one.sides[1], one.size)
    return Coded(names, real, synthetic, sizes)


def bins_for(rows: int) -> int:
    """Return in how many bins numbers are cut: as many as keep the cells of two columns filled."""
    return int(np.clip(np.sqrt(rows / _ROWS_OF_CELL), _LEAST_BINS, _MOST_BINS))


def _common(real: Int64s, synthetic: Int64s, size: int) -> tuple[Int64s, Int64s, int]:
    """Keep the most frequent codes, on both sides together, and give the rarer ones the last."""
    if size <= _MOST_CODES:
        return real, synthetic, size
    often = np.argsort(-np.bincount(np.append(real, synthetic), minlength=size), kind="stable")
    code = np.full(size, _MOST_CODES - 1, np.int64)
    code[often[: _MOST_CODES - 1]] = np.arange(_MOST_CODES - 1)
    return code[real], code[synthetic], _MOST_CODES
