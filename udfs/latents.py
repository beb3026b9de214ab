"""Latent normals of imagined persons, by which chances are calibrated."""

import numpy as np
from numba import njit

from .stream import normal, start

_LAYER = 1000  # of random numbers: belongs to no synthetic person


@njit(nogil=True, cache=True)
def latents(loadings, own, persons):
    """Draw the latents (persons, items) of ``loadings`` (items, rank) and ``own`` parts; the same at every call."""
    items, rank = loadings.shape
    drawn = np.empty((persons, items), np.float32)
    factors = np.empty(rank)
    for p in range(persons):
        state = start(0, p, _LAYER)
        for k in range(rank):
            state, factors[k] = normal(state)
        for x in range(items):
            state, z = normal(state)
            z *= own[x]
            for k in range(rank):
                z += loadings[x, k] * factors[k]
            drawn[p, x] = z
    return drawn
