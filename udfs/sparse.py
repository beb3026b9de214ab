"""Values outside of stays, a level for each person and what moves from day to day."""

import math

import numpy as np
from numba import njit

from .histograms import row_of
from .normal import norm_cdf
from .outlets import value_in
from .stream import normal, start, uniform
from .trajectory import LAYER
from .walk import correlated


@njit(nogil=True, cache=True, error_model="numpy")
def fill_sparse(first, upto, outlets, share, factor, seed, numbers, offsets, item, day, series, value):
    """Give the events of items with series their series and value: a person's level, and what moves from day to day.

    A person keeps to one series of an item.
    """
    width, joined = share.size, factor.shape[0]
    plain, level, moved = np.empty(width), np.empty(width), np.empty(width)
    for person in range(numbers.size):
        state = start(seed, numbers[person], LAYER - 1)
        state = state ^ np.uint64(0x5DEECE66D)
        state, choice = uniform(state)
        for k in range(width):
            state, plain[k] = normal(state)
        for k in range(width):
            level[k] = correlated(factor, plain, k)
        last = -1
        for event in range(offsets[person], offsets[person + 1]):
            begin, end = first[item[event]], first[item[event] + 1]
            if begin == end:
                continue
            if day[event] != last:
                last = day[event]
                for k in range(joined):
                    state, plain[k] = normal(state)
                for k in range(joined):
                    moved[k] = correlated(factor, plain, k)
            one = row_of(upto, begin, end, choice)
            if one >= joined:
                state, moved[one] = normal(state)
            z = math.sqrt(share[one]) * level[one] + math.sqrt(1.0 - share[one]) * moved[one]
            low, high = outlets.starts[one], outlets.starts[one + 1]
            if low == high:
                continue
            p = norm_cdf(z)
            row = row_of(outlets.upto, low, high, p)
            below_ = outlets.upto[row - 1] if row > low else 0.0
            inside = min(max((p - below_) / max(outlets.upto[row] - below_, 1e-12), 0.0), 0.999999)
            state, shown = uniform(state)
            series[event] = one
            value[event] = value_in(outlets, one, row, inside, shown)
