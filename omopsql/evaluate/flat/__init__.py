"""How faithful a synthetic table is: its columns, pairs and triples of them, and whole rows."""

from __future__ import annotations

from collections.abc import Iterator

from omopsql.errors import OmopsqlError
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Sides

from . import classifier, discrepancy, marginals, margins, neighbourhood, pairs
from .coded import bins_for, coded
from .contrast import compared

__all__ = ["metrics"]

_LEAST_ROWS = 2


def metrics(sides: Sides, seed: int = 0) -> Iterator[Metric]:
    """Yield every metric of fidelity. What cannot be computed has no value, and a note.

    Each stands beside the same metric of two real samples: real and holdout, or halves of the real side. What chance
    adds to a distance is reckoned to as many rows as the sides have. Raises OmopsqlError for a table of one
    row, and where no column can be compared.
    """
    for side in sides.every:
        if len(side) < _LEAST_ROWS:
            raise OmopsqlError(f"{side.name} has {len(side)} row, and a comparison needs at least {_LEAST_ROWS}")
    both = compared(sides, seed)
    columns = len(sides.columns) - len(sides.identifiers)
    if columns == 0:
        raise OmopsqlError(f"{sides.real.name} has no column to compare: {'; '.join(sides.told)}")
    yield Metric("columns_compared", columns, n=both.rows, note="; ".join(sides.told))
    yield from margins.metrics(both)
    bins = bins_for(both.rows)
    codes = [coded(one, bins) for one in both.every]
    yield from pairs.metrics(both, codes)
    yield from marginals.metrics(both, codes, seed)
    yield from classifier.metrics(both, seed)
    yield from neighbourhood.metrics(both, seed)
    yield from discrepancy.metrics(both, seed)
