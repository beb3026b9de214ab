"""Whether synthetic persons lie nearer to the real persons that were fitted than to others."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from .distances import auroc

_BLOCK = 500  # synthetic persons at a time


def nearness(train: np.ndarray, holdout: np.ndarray, synthetic: np.ndarray) -> dict[str, tuple[float, float]]:
    """Compare Manhattan distances of rows, e.g. logarithms of counts. Each measure with what chance alone would give.

    ``nearer_to_train``: share of synthetic persons nearer to someone fitted than to anyone else (half of ties), among
    as many of each; ``membership_auc``: how well the distance to the nearest synthetic person tells who was fitted;
    ``exact``: synthetic persons equal to someone fitted; by chance: as many as others, in the same number, are.
    """
    equal = min(len(train), len(holdout))
    to_train, from_train = _nearest(synthetic, train, equal)
    to_holdout, from_holdout = _nearest(synthetic, holdout, equal)
    nearer = (to_train < to_holdout).mean() + 0.5 * (to_train == to_holdout).mean()
    fitted = np.repeat([1, 0], [len(train), len(holdout)])
    membership = auroc(fitted, -np.concatenate([from_train, from_holdout]))
    by_chance = _repeats(train, holdout) * len(synthetic) / len(holdout)
    return {
        "nearer_to_train": (float(nearer), 0.5),
        "membership_auc": (membership, 0.5),
        "exact": (float(_repeats(train, synthetic)), by_chance),
    }


def _nearest(synthetic: np.ndarray, real: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each synthetic row to the nearest of the first real ones; of each real row to the nearest of all."""
    to_real, from_real = [], np.full(len(real), np.inf)
    for start in range(0, len(synthetic), _BLOCK):
        distance = cdist(synthetic[start : start + _BLOCK], real, "cityblock")
        to_real.append(distance[:, :first].min(axis=1))
        from_real = np.minimum(from_real, distance.min(axis=0))
    return np.concatenate(to_real), from_real


def _repeats(real: np.ndarray, synthetic: np.ndarray) -> int:
    """How many synthetic rows equal a real one."""
    known = {row.tobytes() for row in np.ascontiguousarray(real)}
    return sum(row.tobytes() in known for row in np.ascontiguousarray(synthetic))
