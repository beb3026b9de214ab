"""Whether synthetic rows lie where real ones do, and whether they are everywhere there: by nearest neighbours.

Sources: M. F. Naeem et al., Reliable fidelity and diversity metrics for generative models, ICML 2020 (density,
coverage); A. Alaa et al., How faithful is your synthetic data?, ICML 2022 (alpha-precision, beta-recall, authenticity).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omopsql.evaluate.encode import drawn, vectors
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Int64s
from omopsql.udfs.neighbours import balls_around, nearest

from .contrast import Compared

NEIGHBOURS = 5
_MOST_ROWS = 10_000  # of a side
_MOST_FRESH_ROWS = 5_000
_LEAST_ROWS = 20
_LEVELS = np.linspace(0.0, 1.0, 30)  # alpha and beta
_RESAMPLES = 100
_ROUNDING = 1e-12  # of a distance, relative
_NORMAL = 1.959963984540054
_NAMES = ("density", "coverage", "alpha_precision", "beta_recall", "authenticity")


def metrics(compared: Compared, seed: int) -> Iterator[Metric]:
    """Yield density, coverage, alpha-precision, beta-recall and authenticity, on at most 10,000 rows of each side."""
    sides, fresh = drawn(compared.sides, _MOST_ROWS, seed), drawn(compared.fresh[0], _MOST_FRESH_ROWS, seed)
    rows = len(sides.real)
    if rows < _LEAST_ROWS:
        note = f"{_LEAST_ROWS} rows of each side are needed, and there are {rows}"
        yield from (Metric(name, None, n=rows, note=note) for name in _NAMES)
        return
    by_chance = neighbourhood(*vectors(fresh).sides[:2]) if len(fresh.real) >= _LEAST_ROWS // 2 else None
    found = neighbourhood(*vectors(sides).sides[:2])
    for name in _NAMES:
        value, low, high = getattr(found, name)(seed)
        reference = None if by_chance is None else getattr(by_chance, name)(seed)[0]
        yield Metric(name, value, low, high, reference, n=rows)


Estimate = tuple[float, float, float]


@dataclass(frozen=True)
class Neighbourhood:
    """Rows of both sides among each other, n of each.

    The ball of a real row reaches to its fifth real neighbour, at ``radius`` (n); its small ball to the first, at
    ``real_to_real`` (n). ``holders`` (n) and ``near_holders`` (n) count the balls and the small balls that hold a
    synthetic row; ``real_to_synthetic`` (n) is the distance to the nearest synthetic row. ``real_out`` and
    ``synthetic_out`` (n) are distances to the centre of the real rows; ``closest_out`` (n) is how far the synthetic row
    next to a real one is from the synthetic centre.
    """

    holders: Int64s
    near_holders: Int64s
    radius: Doubles
    real_to_real: Doubles
    real_to_synthetic: Doubles
    real_out: Doubles
    synthetic_out: Doubles
    closest_out: Doubles

    def density(self, seed: int) -> Estimate:
        """Return how many real balls hold a synthetic row, over k. The interval takes the balls as given."""
        return _mean(self.holders / NEIGHBOURS)

    def coverage(self, seed: int) -> Estimate:
        """Return the share of real balls that hold a synthetic row."""
        return _share(self.real_to_synthetic <= self.radius * (1 + _ROUNDING))

    def authenticity(self, seed: int) -> Estimate:
        """Return the share of synthetic rows that are nearer to no real row than that row's nearest real neighbour."""
        return _share(self.near_holders == 0)

    def alpha_precision(self, seed: int) -> Estimate:
        """Return 1 less how far the synthetic shares in the alpha-supports are from alpha."""
        return _resampled(_alpha_precision, (self.real_out, self.synthetic_out), seed)

    def beta_recall(self, seed: int) -> Estimate:
        """Return 1 less how far the real shares in the beta-supports are from beta."""
        is_covered = (self.real_to_synthetic <= self.real_to_real).astype(float)
        return _resampled(_beta_recall, (np.column_stack([is_covered, self.closest_out]),), seed)


def neighbourhood(real: Doubles, synthetic: Doubles) -> Neighbourhood:
    """Find the neighbours of equally many real and synthetic rows, (n, d) both."""
    of_real, _ = nearest(real, real, min(NEIGHBOURS, len(real) - 1), True)
    to_synthetic, places = nearest(real, synthetic, 1, False)
    holders = balls_around(synthetic, real, of_real[:, [0, -1]])
    centre, synthetic_centre = real.mean(axis=0), synthetic.mean(axis=0)
    return Neighbourhood(
        holders=holders[:, 1],
        near_holders=holders[:, 0],
        radius=of_real[:, -1],
        real_to_real=of_real[:, 0],
        real_to_synthetic=to_synthetic[:, 0],
        real_out=np.linalg.norm(real - centre, axis=1),
        synthetic_out=np.linalg.norm(synthetic - centre, axis=1),
        closest_out=np.linalg.norm(synthetic[places[:, 0]] - synthetic_centre, axis=1),
    )


def _alpha_precision(real_out: Doubles, synthetic_out: Doubles) -> float:
    radii = np.quantile(real_out, _LEVELS)
    inside = np.searchsorted(np.sort(synthetic_out), radii, "right") / len(synthetic_out)
    return _agreement(inside)


def _beta_recall(rows: Doubles) -> float:
    is_covered, closest_out = rows.T
    radii = np.quantile(closest_out, _LEVELS)
    order = np.argsort(closest_out)
    covered = np.append(0.0, np.cumsum(is_covered[order]))
    return _agreement(covered[np.searchsorted(closest_out[order], radii, "right")] / len(rows))


def _agreement(shares: Doubles) -> float:
    return float(1.0 - np.abs(_LEVELS - shares).sum() / _LEVELS.sum())


def _mean(numbers: Doubles) -> Estimate:
    value = float(numbers.mean())
    half = _NORMAL * float(numbers.std(ddof=1)) / len(numbers) ** 0.5
    return value, max(value - half, 0.0), value + half


def _share(hits: npt.NDArray[np.bool_]) -> Estimate:
    """A share, with the score interval of E. B. Wilson, JASA 22 (1927) 209-212."""
    rows, found = len(hits), float(hits.mean())
    unit = _NORMAL**2 / rows
    centre = (found + unit / 2) / (1 + unit)
    half = _NORMAL * np.sqrt(found * (1 - found) / rows + unit / (4 * rows)) / (1 + unit)
    return found, min(max(float(centre - half), 0.0), found), max(min(float(centre + half), 1.0), found)


def _resampled(statistic: Callable[..., float], samples: tuple[Doubles, ...], seed: int) -> Estimate:
    """A statistic of samples, at most 1, ± 1.96 standard errors: those of 100 resamples of each."""
    random = np.random.Generator(np.random.Philox(seed))
    draws = [
        statistic(*(sample[random.integers(0, len(sample), len(sample))] for sample in samples))
        for _ in range(_RESAMPLES)
    ]
    value, half = statistic(*samples), _NORMAL * float(np.std(draws))
    return value, max(value - half, 0.0), min(value + half, 1.0)
