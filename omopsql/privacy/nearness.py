"""Distances to the nearest real person: common numbers, and not sufficient ones.

A few copies among many synthetic persons do not move a median. The attacks look at those few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles
from omopsql.udfs.neighbours import nearest

MOST_PERSONS = 20_000  # of a side, whose distances are computed
_NOT_SUFFICIENT = "not sufficient: near copies can hide in it"
_Z = 1.96


@dataclass(frozen=True)
class Points:
    """The persons as vectors, (n, d) a side; ``told`` says where they were drawn from more."""

    real: Doubles
    synthetic: Doubles
    holdout: Doubles | None
    told: str


def points_of(vectors: tuple[Doubles, ...], seed: int) -> Points:
    """Draw at most ``MOST_PERSONS`` of each side's vectors."""
    random = np.random.Generator(np.random.Philox(seed))
    drawn = [side[np.sort(random.permutation(len(side))[:MOST_PERSONS])] for side in vectors]
    fewer = max(map(len, vectors)) > MOST_PERSONS
    told = f"; at most {MOST_PERSONS:,} persons of a side were drawn" if fewer else ""
    return Points(drawn[0], drawn[1], drawn[2] if len(drawn) > 2 else None, told)


def nearness(points: Points, seed: int) -> Iterator[Metric]:
    """Tell dcr, nndr and dcr_share.

    ``dcr`` is the median distance of a synthetic person to the nearest real one, ``nndr`` the median of its ratio to
    the second nearest; the reference is what holdout persons have. Intervals are those of order statistics.
    """
    found = _medians(points.synthetic, points.real)
    fresh = None if points.holdout is None else _medians(points.holdout, points.real)
    for place, metric in enumerate(("dcr", "nndr")):
        if found is None:
            yield Metric(metric, None, note="needs two real persons")
            continue
        reference = None if fresh is None else fresh[place][0]
        note = _NOT_SUFFICIENT + points.told
        yield Metric(metric, *found[place], reference, n=len(points.synthetic), note=note)
    yield dcr_share(points, seed)


def dcr_share(points: Points, seed: int) -> Metric:
    """Tell the share of synthetic persons who are nearer to a real person than to as many of the holdout.

    Ties count half. Synthetic persons with the same nearest person agree, so the interval counts real persons:
    the variance is p (1 - p) Σ w² / (Σ w)², where w are the synthetic persons nearest to each of them.
    """
    if points.holdout is None:
        return Metric("dcr_share", None, note="needs a holdout: real persons whom the generator never saw")
    size = min(len(points.real), len(points.holdout))
    random = np.random.Generator(np.random.Philox(seed))
    real, holdout = (side[random.permutation(len(side))[:size]] for side in (points.real, points.holdout))
    to_real, of_real = (found.ravel() for found in nearest(points.synthetic, real, 1, False))
    to_holdout, of_holdout = (found.ravel() for found in nearest(points.synthetic, holdout, 1, False))
    share = float(np.mean((to_real < to_holdout) + 0.5 * (to_real == to_holdout)))
    weights = np.bincount(np.where(to_real <= to_holdout, of_real, size + of_holdout))
    error = float(np.sqrt(max(share * (1 - share), 1e-12) * np.square(weights).sum()) / weights.sum())
    low, high = max(share - _Z * error, 0.0), min(share + _Z * error, 1.0)
    note = f"among {size:,} persons of each; {_NOT_SUFFICIENT}{points.told}"
    return Metric("dcr_share", share, low, high, 0.5, n=len(points.synthetic), note=note)


def _medians(rows: Doubles, real: Doubles) -> list[tuple[float, float, float]] | None:
    """The medians of distances and of their ratios, each with its interval; None for fewer than two real persons."""
    if len(real) < 2:
        return None
    distances = nearest(rows, real, 2, False)[0]
    ratios = np.divide(distances[:, 0], distances[:, 1], np.ones(len(rows)), where=distances[:, 1] > 0)
    return [_median(distances[:, 0]), _median(ratios)]


def _median(values: Doubles) -> tuple[float, float, float]:
    """A median with its distribution-free 95 % interval."""
    ordered, n = np.sort(values), len(values)
    reach = _Z * np.sqrt(n) / 2
    low, high = max(int(np.floor(n / 2 - reach)), 0), min(int(np.ceil(n / 2 + reach)), n - 1)
    return float(np.median(ordered)), float(ordered[low]), float(ordered[high])
