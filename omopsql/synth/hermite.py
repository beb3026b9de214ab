"""Correlations of latent normal variables from scores of cells, with the attenuation undone.

A cell's score is s = E[Z | cell]. For two latents with correlation r, E[s_i s_j] = sum_k a_ik a_jk r^k / k! with the
Hermite coefficients a_k = E[s He_k(Z)] (Mehler's formula), so r follows from a sum of score products.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from scipy.special import ndtr, ndtri

from omopsql.udfs.normal import norm_pdf, norm_ppf

TERMS = 8
SCALE = 1024  # scores are released as integers of this many steps
LARGEST_SCORE = 4.0
LARGEST_R = 0.9995
_HALVINGS = 40
_FACTORIALS = np.array([math.factorial(k) for k in range(TERMS + 1)], float)


@njit(nogil=True, inline="always")
def _hermite_densities(z, into):
    """He_k(z) times the density, k = 0, 1, ...; 0 at infinity."""
    if math.isinf(z):
        into[:] = 0.0
        return
    into[0] = norm_pdf(z)
    into[1] = z * into[0]
    for k in range(2, into.size):
        into[k] = z * into[k - 1] - (k - 1) * into[k - 2]


@njit(nogil=True, cache=True)
def _score_cells(thresholds, scores, coefficients):
    low, high = np.empty(TERMS), np.empty(TERMS)
    for row in range(thresholds.shape[0]):
        _hermite_densities(norm_ppf(thresholds[row, 0]), low)
        for k in range(thresholds.shape[1] - 1):
            width = thresholds[row, k + 1] - thresholds[row, k]
            z = norm_ppf(thresholds[row, k + 1])
            _hermite_densities(z, high)
            score = (low[0] - high[0]) / width if width > 1e-12 else z
            steps = math.floor(min(max(score, -LARGEST_SCORE), LARGEST_SCORE) * SCALE + 0.5)
            scores[row, k] = steps
            for term in range(TERMS):
                coefficients[row, term + 1] -= steps / SCALE * (high[term] - low[term])
            low[:] = high


def scored(thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score the cells between thresholds, (strata, cells + 1), cumulative probabilities.

    Returns the scores times 1024, int16 of (strata, cells), and their Hermite coefficients, (strata, 9). The second
    coefficient, a_1, is the variance of the scores.
    """
    strata, cells = len(thresholds), thresholds.shape[1] - 1
    scores, coefficients = np.empty((strata, cells), np.int16), np.zeros((strata, TERMS + 1))
    _score_cells(np.ascontiguousarray(thresholds), scores, coefficients)
    return scores, coefficients


def series(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Coefficients of r^k in E[s_i s_j], from the Hermite coefficients of both latents, (..., 9) each."""
    return np.asarray(first * second / _FACTORIALS)


@njit(nogil=True, cache=True)
def _bisect(coefficients, target, r):
    for pair in range(r.size):
        low, high = -LARGEST_R, LARGEST_R
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            total = 0.0
            for k in range(coefficients.shape[1] - 1, -1, -1):
                total = total * middle + coefficients[pair, k]
            if total < target[pair]:
                low = middle
            else:
                high = middle
        r[pair] = 0.5 * (low + high)


def solved(coefficients: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Solve sum_k coefficients[k] r^k = target for r in [-.9995, .9995], by bisection; (pairs, 9) and (pairs,)."""
    r = np.empty(len(target))
    _bisect(np.ascontiguousarray(coefficients), target, r)
    return r


def linked_rows(first: np.ndarray, second: np.ndarray, r: float, points: int = 16) -> np.ndarray:
    """P(bin of the second latent | bin of the first) under correlation ``r``, (bins, bins), each row summing to 1.

    ``first`` and ``second`` are the probabilities of the bins from low to high z. Midpoints inside the first's bins.
    """
    inside = (np.arange(points) + 0.5) / points
    z = ndtri(np.clip((np.cumsum(first) - first)[:, None] + first[:, None] * inside, 1e-9, 1.0 - 1e-9))
    cuts = ndtri(np.minimum(np.cumsum(second)[:-1], 1.0))
    below = ndtr((cuts - r * z[:, :, None]) / math.sqrt(1.0 - r * r)).mean(axis=1)
    edges = np.concatenate([np.zeros((len(first), 1)), below, np.ones((len(first), 1))], axis=1)
    rows = np.maximum(np.diff(edges, axis=1), 1e-12)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))
