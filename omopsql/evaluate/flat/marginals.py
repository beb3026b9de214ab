"""Three columns at a time: the k-marginal score of NIST's challenges in synthetic data.

Source: C. Task, K. Bhagat, G. Howarth, SDNist v2: deidentified data report tool, NIST (2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from omopsql.evaluate.metric import Metric

from .coded import Coded
from .contrast import Compared, Contrast, by_cells

COLUMNS = 3
_MOST_MARGINALS = 200  # drawn from the possible ones
_BEST = 1000


def metrics(compared: Compared, coded: Sequence[Coded], seed: int) -> Iterator[Metric]:
    """Yield ``k_marginal``, the share of the three-column marginals that agrees, and as NIST's score, of 1000.

    ``coded`` are the sides and the fresh ones.
    """
    columns = len(coded[0].names)
    if columns < COLUMNS:
        note = f"{COLUMNS} columns are needed, and {columns} can be compared"
        yield from (Metric(name, None, note=note) for name in ("k_marginal", "k_marginal_score"))
        return
    marginals = chosen(columns, seed)
    found = (marginal_distances(one, marginals) for one in coded)
    distance = next(compared.metrics("k_marginal", found, by_cells))
    yield _agreeing(distance, 1.0, f"mean of {len(marginals)} marginals of {COLUMNS} columns")
    yield replace(_agreeing(distance, _BEST, ""), metric="k_marginal_score")


def chosen(columns: int, seed: int) -> list[tuple[int, ...]]:
    """Return the sets of three columns; of more than 200, so many drawn by the seed."""
    every = list(combinations(range(columns), COLUMNS))
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(every))[:_MOST_MARGINALS]
    return [every[place] for place in np.sort(order)]


def marginal_distances(coded: Coded, marginals: list[tuple[int, ...]]) -> Iterator[tuple[str, Contrast]]:
    """Yield the total variation distance of each marginal."""
    for columns in marginals:
        yield coded.subject(columns), coded.contrast(columns)


def _agreeing(distance: Metric, best: float, note: str) -> Metric:
    value, high, low, reference = (
        None if x is None else best * (1.0 - x)
        for x in (distance.value, distance.low, distance.high, distance.reference)
    )
    return replace(distance, value=value, low=low, high=high, reference=reference, note=note)
