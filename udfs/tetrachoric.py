"""Tetrachoric correlations: what correlation of two normal latents makes two items meet as often as they do."""

import math

import numpy as np
from numba import njit

from .borrowing import borrowing

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_GOLDEN = 0.6180339887498949
_FURTHEST = 2.6  # inverse hyperbolic tangent of a correlation of .99
_BEYOND = 7.0  # a threshold above this is met by nobody
_ROUNDS = 22


@njit(nogil=True, inline="always")
def _upper(x):
    return 0.5 * math.erfc(x / 1.4142135623730951)


@njit(nogil=True)
def both_above(h, k, correlation):
    """P(X > h, Y > k) of two standard normals.

    Source: Z. Drezner, G. O. Wesolowsky, J. Stat. Comput. Simul. 35 (1990).
    """
    squares, product = (h * h + k * k) / 2, h * k
    angle = math.asin(correlation)
    total = 0.0
    for i in range(len(_NODES)):
        sine = math.sin(angle * (_NODES[i] + 1) / 2)
        total += _WEIGHTS[i] * math.exp((sine * product - squares) / (1 - sine * sine))
    return total * angle / (4 * math.pi) + _upper(h) * _upper(k)


@njit(nogil=True, cache=True)
def tetrachoric(threshold, persons, both, least, prior):
    """Correlations of all pairs of items, and how far each may be trusted; (items, items) both.

    ``threshold`` (strata, items) holds the latent's threshold in each stratum of ``persons``; ``both`` the persons who
    have both. A pair with 0 is known to be rare only where more than ``least`` were expected. The estimate maximises
    the binomial likelihood of ``both`` with a normal prior (standard deviation ``prior``) on its inverse tangent.
    """
    strata, items = threshold.shape
    correlation, trust = np.eye(items), np.zeros((items, items))
    all_persons = persons.sum()
    for c in range(items):
        for d in range(c + 1, items):
            expected, slope = 0.0, 0.0
            for s in range(strata):
                h, k = threshold[s, c], threshold[s, d]
                if h < _BEYOND and k < _BEYOND:
                    expected += persons[s] * _upper(h) * _upper(k)
                    slope += persons[s] * math.exp(-0.5 * (h * h + k * k)) / (2 * math.pi)
            if both[c, d] == 0 and expected < least:
                continue
            r = math.tanh(_fitted(threshold, persons, both[c, d], all_persons, prior, c, d))
            correlation[c, d] = correlation[d, c] = r
            trust[c, d] = trust[d, c] = slope * slope / max(expected, 0.5)
    return correlation, trust


@borrowing
def _fitted(threshold, persons, observed, all_persons, prior, c, d):
    """Golden section search for the inverse tangent of the correlation."""
    low, high = -_FURTHEST, _FURTHEST
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    of_left = _posterior(threshold, persons, observed, all_persons, prior, c, d, left)
    of_right = _posterior(threshold, persons, observed, all_persons, prior, c, d, right)
    for _ in range(_ROUNDS):
        if of_left < of_right:
            low, left, of_left = left, right, of_right
            right = low + _GOLDEN * (high - low)
            of_right = _posterior(threshold, persons, observed, all_persons, prior, c, d, right)
        else:
            high, right, of_right = right, left, of_left
            left = high - _GOLDEN * (high - low)
            of_left = _posterior(threshold, persons, observed, all_persons, prior, c, d, left)
    return (low + high) / 2


@borrowing
def _posterior(threshold, persons, observed, all_persons, prior, c, d, z):
    expected = 0.0
    r = math.tanh(z)
    for s in range(threshold.shape[0]):
        h, k = threshold[s, c], threshold[s, d]
        if h < _BEYOND and k < _BEYOND and persons[s] > 0:
            expected += persons[s] * max(both_above(h, k, r), 1e-12)
    share = min(max(expected / all_persons, 1e-9), 1 - 1e-9)
    n = min(observed, all_persons)
    return n * math.log(share) + (all_persons - n) * math.log(1 - share) - 0.5 * z * z / (prior * prior)
