"""Maximum mean discrepancy: how far the distributions of whole rows are apart.

Source: A. Gretton et al., A kernel two-sample test, JMLR 13 (2012) 723-773.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from omopsql.evaluate.encode import drawn, vectors
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Sides

from .contrast import Compared

_MOST_ROWS = 2_000  # of a side: every pair of rows is looked at
_LEAST_ROWS = 20
_PERMUTATIONS = 200
_MEDIAN_ROWS = 250  # of a side, at least, if there are so many


def metrics(compared: Compared, seed: int) -> Iterator[Metric]:
    """Yield ``mmd``: the squared discrepancy, without bias, so that it is 0 on average where nothing differs.

    The interval is as wide as its values under permutations of the rows.
    """
    sides = drawn(compared.sides, _MOST_ROWS, seed)
    rows = len(sides.real)
    if rows < _LEAST_ROWS:
        yield Metric("mmd", None, n=rows, note=f"{_LEAST_ROWS} rows of each side are needed, and there are {rows}")
        return
    value, by_chance = _mmd_of(sides, seed)
    if np.isnan(value):
        yield Metric("mmd", None, n=rows, note="most rows are equal to each other")
        return
    low, high = value + np.quantile(by_chance, [0.025, 0.975])
    reference, _ = _mmd_of(drawn(compared.fresh[0], _MOST_ROWS, seed), seed)
    yield Metric("mmd", value, low, high, 0.0 if np.isnan(reference) else max(reference, 0.0), n=rows)


def _mmd_of(sides: Sides, seed: int) -> tuple[float, Doubles]:
    real, synthetic = vectors(sides).sides[:2]
    with threadpool_limits(1):
        return mmd(real, synthetic, seed)


def mmd(real: Doubles, synthetic: Doubles, seed: int = 0) -> tuple[float, Doubles]:
    """Return the unbiased squared discrepancy of equally many rows, (n, d) both, and its values under permutations.

    The kernel is exp(-|a - b|² / 2s²), s the median distance of two rows; NaN where that is 0.
    """
    n, both = len(real), np.concatenate([real, synthetic])
    squares = _squares(both)
    some = squares[:: 1 + n // _MEDIAN_ROWS, :: 1 + n // _MEDIAN_ROWS]
    median = float(np.median(some[np.triu_indices(len(some), 1)]))
    if n < 2 or median <= 0.0:
        return float("nan"), np.zeros(0)
    kernel = np.exp(-squares / (2 * median))
    np.fill_diagonal(kernel, 0.0)
    sign = np.repeat([1.0, -1.0], n)
    random = np.random.Generator(np.random.Philox(seed))
    signs = np.column_stack([sign, *(random.permutation(sign) for _ in range(_PERMUTATIONS))])
    among_alike = (kernel.sum() + (signs * (kernel @ signs)).sum(axis=0)) / 2
    found = among_alike / (n * (n - 1)) - (kernel.sum() - among_alike) / n**2
    return float(found[0]), found[1:]


def _squares(rows: Doubles) -> Doubles:
    """Squared distances of all rows."""
    lengths = (rows * rows).sum(axis=1)
    squares: Doubles = np.maximum(lengths[:, None] + lengths - 2 * rows @ rows.T, 0.0)
    return squares
