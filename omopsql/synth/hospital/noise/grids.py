"""Public bins of whole numbers: coarse enough that many persons share one, whatever the data are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_YEAR, _HOUR = 365.25, 60  # days, minutes
_CHILDHOOD, _LUSTRUM, _OLDEST = 10, 5, 130  # years of age: single ones, then five by five
_QUARTER, _SPAN = 91, 1.5  # days; from there on spans grow
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
        size = np.minimum(np.where(numbers < 0, -1 - numbers, numbers), edges[-1] - 1)
        place = np.searchsorted(edges, size, side="right") - 1
        low, high = edges[place], edges[place + 1] - 1
        return np.where(numbers < 0, -1 - high, low), np.where(numbers < 0, -1 - low, high)

    return bins


def _growing(exact: int, least: int) -> Ints:
    """Edges one apart up to ``exact``, then ever farther apart, by at least ``least``."""
    edges = list(range(0, exact + 1, least))
    while edges[-1] < 1 << 50:
        edges.append(max(edges[-1] + least, int(edges[-1] * _GROWTH)))
    return np.array(edges, np.int64)


def _ages() -> Ints:
    """Edges of ages in days: years in childhood, then five years."""
    years = [*range(_CHILDHOOD), *range(_CHILDHOOD, _OLDEST + 1, _LUSTRUM)]
    return np.array([*(int(year * _YEAR) for year in years), 1 << 50], np.int64)


def _spans() -> Ints:
    """Edges of spans in days: a quarter, then ever longer."""
    edges = [0, _QUARTER]
    while edges[-1] < 1 << 50:
        edges.append(int(edges[-1] * _SPAN))
    return np.array(edges, np.int64)


GRIDS: dict[str, Callable[[Ints], tuple[Ints, Ints]]] = {
    "fine": _even(1),
    "ages": _between(_ages()),
    "spans": _between(_spans()),
    "years": _even(_YEAR),
    "hours": _even(_HOUR),
    "values": _even(_WIDEST_VALUES),
    "growing": _between(_growing(_EXACT, 1)),
    "wide": _between(_growing(_EXACT, 3)),
}
