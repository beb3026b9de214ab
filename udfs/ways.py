"""In which way each value is told: its unit, type and what else stands beside it, one following the other."""

import numpy as np

from .borrowing import borrowing
from .histograms import row_of
from .stream import mixed, start, uniform
from .trajectory import LAYER


@borrowing(cache=True, error_model="numpy")
def fill_ways(hashes, first, opening, start_of, following, seed, numbers, person, series, way):
    """Say in which way values are told, which stand in the order of person, series and time.

    The way of a value follows that of the value before.
    """
    state, last = np.uint64(0), -1
    for i in range(person.size):
        one = series[i]
        if i == 0 or person[i] != person[i - 1] or one != series[i - 1]:
            state = mixed(start(seed, numbers[person[i]], LAYER - 1) ^ np.uint64(hashes[one]))
            last = -1
        if first[one + 1] - first[one] == 1:
            way[i] = first[one]
            continue
        state, u = uniform(state)
        if last < 0:
            last = row_of(opening, first[one], first[one + 1], u)
        else:
            last = first[one] + row_of(following, start_of[last], start_of[last + 1], u) - start_of[last]
        way[i] = last
