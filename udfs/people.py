"""Random numbers of synthetic persons, one row each: what the layer of people draws them by."""

import numpy as np
from numba import njit

from .even import block_key, even
from .stream import start, uniform


@njit(cache=True, nogil=True)
def uniforms(seed, numbers, layer, width):
    """Draw ``width`` uniform numbers for each person, evenly in a block, a pure function of (seed, number, layer)."""
    drawn = np.empty((numbers.size, width))
    for i in range(numbers.size):
        state, key = start(seed, numbers[i], layer), block_key(seed, numbers[i], layer)
        for k in range(width):
            state, u = uniform(state)
            drawn[i, k] = even(key, numbers[i], k, u)
    return drawn
