"""The nearest correlation matrix."""

from __future__ import annotations

import numpy as np

SMALLEST_EIGENVALUE = 1e-4
_ROUNDS = 100
_STILL = 1e-5


def nearest_correlation(matrix: np.ndarray) -> np.ndarray:
    """Return the nearest correlation matrix, with eigenvalues of at least about 1e-4.

    A matrix that is one already comes back as it is. Source: alternating projections with Dykstra's correction,
    N. J. Higham, IMA Journal of Numerical Analysis 22 (2002) 329-343.
    """
    if np.linalg.eigvalsh(matrix)[0] >= SMALLEST_EIGENVALUE:
        return matrix
    found, correction = matrix, np.zeros_like(matrix)
    for _ in range(_ROUNDS):
        before = found
        projected = _positive(found - correction, 0.0)
        correction = projected - (found - correction)
        found = projected.copy()
        np.fill_diagonal(found, 1.0)
        if np.abs(found - before).max() < _STILL:
            break
    return _unit_diagonal(_positive(found, SMALLEST_EIGENVALUE))


def _positive(matrix: np.ndarray, least: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, least)) @ vectors.T)


def _unit_diagonal(matrix: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diag(matrix))
    scaled = matrix / np.outer(scale, scale)
    np.fill_diagonal(scaled, 1.0)
    return np.asarray(0.5 * (scaled + scaled.T))
