"""What an outcome, or a kind of care, does to many numbers at once: how much of it to believe (empirical Bayes).

Numbers that go together are off together, by chance, and a hundred small errors that all say the same make a synthetic
patient's death look easier to foresee than anybody's is. So their effects are believed together, not one by one.
"""

from __future__ import annotations

import numpy as np

from ..lives import Doubles

_PLAIN = 1.0  # an effect of this size tells of itself, and nothing of the others
_POWERS = (0.0, 0.5, 1.0)  # how much larger effects are, a priori, in directions in which stays vary more
_SIZES = np.exp(np.linspace(-9.0, 2.0, 89))  # of the variance of effects, a priori
_SMALLEST = 1e-6


def believed(mean: Doubles, persons: Doubles, r: Doubles) -> Doubles:
    """Pull the means of numbers, (numbers,), that correlate by ``r`` to 0, as far as their own scatter says.

    Errors of two means correlate as the numbers do; ``persons`` are behind each. A priori effects have the covariance
    t r^p; t and p are those under which the means are most likely. NaN where a mean is unknown, or large and plain.
    """
    found = np.full(len(mean), np.nan)
    own = np.flatnonzero((persons > 0) & (np.abs(mean) < _PLAIN))
    if len(own) < 2:
        return found
    inside = r[np.ix_(own, own)]
    values, vectors = np.linalg.eigh(inside)
    chance = inside / np.maximum.outer(persons[own], persons[own])
    root = np.linalg.cholesky(chance + _SMALLEST * np.diag(np.diag(chance)))
    error = np.linalg.solve(root, mean[own])
    best, likeliest = np.zeros(len(own)), -np.inf
    for power in _POWERS:
        usual = (vectors * np.maximum(values, _SMALLEST) ** power) @ vectors.T
        whole = np.linalg.solve(root, np.linalg.solve(root, usual).T)
        size, direction = np.linalg.eigh((whole + whole.T) / 2)
        told = direction.T @ error
        variance = _SIZES[:, None] * np.maximum(size, 0.0) + 1.0
        likelihood = -0.5 * (np.log(variance) + told**2 / variance).sum(axis=1)
        at = int(np.argmax(likelihood))
        if likelihood[at] > likeliest:
            likeliest = likelihood[at]
            best = root @ (direction @ (told * (1.0 - 1.0 / variance[at])))
    found[own] = best
    return found
