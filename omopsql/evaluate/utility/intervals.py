"""Intervals of 95 %: of shares and their differences in closed form, of scores by the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.sides import Doubles

NORMAL = 1.959963984540054
RESAMPLES = 200
_LEAST_RESAMPLES = 20  # with a score; fewer say nothing of its spread


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval. NaN: it could not be computed."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, draws: Doubles) -> Estimate:
        """Read a score of the rows themselves (the first number) and of resamples of them (all others)."""
        known = draws[1:][np.isfinite(draws[1:])]
        if len(known) < _LEAST_RESAMPLES or not np.isfinite(draws[0]):
            return cls(float(draws[0]), np.nan, np.nan)
        low, high = np.quantile(known, [0.025, 0.975])
        return cls(float(draws[0]), float(low), float(high))


def resampled(rows: int, seed: int) -> Doubles:
    """Return how often each row is drawn, (1 + RESAMPLES, rows): first the rows themselves, then their resamples."""
    random = np.random.Generator(np.random.Philox(seed))
    weights = np.ones((1 + RESAMPLES, rows))
    for resample in range(1, 1 + RESAMPLES):
        weights[resample] = np.bincount(random.integers(0, rows, rows), minlength=rows)
    return weights


def share(hits: int, rows: int) -> Estimate:
    """Estimate a share, with the score interval of E. B. Wilson, JASA 22 (1927) 209-212."""
    if rows == 0:
        return Estimate(np.nan, np.nan, np.nan)
    found, z = hits / rows, NORMAL**2 / rows
    centre = (found + z / 2) / (1 + z)
    half = NORMAL * np.sqrt(found * (1 - found) / rows + z / (4 * rows)) / (1 + z)
    return Estimate(found, float(centre - half), float(centre + half))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return first minus second of two shares.

    The interval is method 10 of R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890.
    """
    found = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(found, float(found - below), float(found + above))


def distance(first: Estimate, second: Estimate) -> Estimate:
    """Return how far two shares are apart, whichever is larger."""
    apart = difference(first, second)
    low, high = sorted((abs(apart.low), abs(apart.high)))
    return Estimate(abs(apart.value), 0.0 if apart.low < 0 < apart.high else low, high)
