"""Random numbers of synthetic persons, one row each: what the layer of people draws them by."""

import numpy as np
from numba import njit

from .stream import start, uniform


@njit(cache=True, nogil=True)
def uniforms(seed, numbers, layer, width):
    """Draw ``width`` uniform numbers for each person, a pure function of (seed, number, layer)."""
    drawn = np.empty((numbers.size, width))
    for i in range(numbers.size):
        state = start(seed, numbers[i], layer)
        for k in range(width):
            state, drawn[i, k] = uniform(state)
    return drawn
