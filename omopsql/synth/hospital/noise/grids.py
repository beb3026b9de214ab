"""Public bins of whole numbers: coarse enough that many persons share one, whatever the data are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_QUARTER, _HOUR = 91, 60  # days, minutes
_YEAR = 365.25
_EXACT = 30  # numbers that stand for themselves on a growing axis
_GROWTH = 1.1
_WIDEST_VALUES = 10  # of the 900 values of a decade


def _even(width: float) -> Callable[[Ints], tuple[Ints, Ints]]:
    def bins(numbers: Ints) -> tuple[Ints, Ints]:
        place = np.floor(numbers / width)
        return np.ceil(place * width).astype(np.int64), (np.ceil((place + 1) * width) - 1).astype(np.int64)

    return bins


def _between(edges: Ints) -> Callable[[Ints], tuple[Ints, Ints]]:
    """Bins from each edge to the next, mirrored for numbers below 0."""

    def bins(numbers: Ints) -> tuple[Ints, Ints]:
        size = np.minimum(np.abs(numbers), edges[-1] - 1)
        place = np.searchsorted(edges, size, side="right") - 1
        low, high = edges[place], edges[place + 1] - 1
        return np.where(numbers < 0, -high, low), np.where(numbers < 0, -low, high)

    return bins


def _growing(exact: int, least: int) -> Ints:
    """Edges one apart up to ``exact``, then ever farther apart, by at least ``least``."""
    edges = list(range(0, exact + 1, least))
    while edges[-1] < 1 << 50:
        edges.append(max(edges[-1] + least, int(edges[-1] * _GROWTH)))
    return np.array(edges, np.int64)


GRIDS: dict[str, Callable[[Ints], tuple[Ints, Ints]]] = {
    "fine": _even(1),
    "quarters": _even(_QUARTER),
    "years": _even(_YEAR),
    "hours": _even(_HOUR),
    "values": _even(_WIDEST_VALUES),
    "growing": _between(_growing(_EXACT, 1)),
    "wide": _between(_growing(_EXACT, 3)),
}
