"""A stream of random numbers for one synthetic person: quick, and a pure function of (seed, person, layer).

Philox gives the stream its first state; SplitMix64 goes on from there. No two persons or layers share a stream, and
nothing depends on which other persons are made, or where.

Source: G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
"""

import numpy as np
from numba import njit

from .normal import norm_ppf
from .philox import philox_words, uniform_52

_STREAM = 3  # Philox streams 0 to 2 belong to single cells
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@njit(inline="always", nogil=True)
def start(seed, number, layer):
    """Begin the stream of one person in one layer; return its state."""
    words = philox_words(seed, number, layer, _STREAM)
    return (words[0] << _32) | words[1]


@njit(inline="always", nogil=True)
def mixed(word):
    """Mix the bits of a 64-bit word: equal words stay equal, near ones part."""
    word = (word ^ (word >> _30)) * _MIX_1
    word = (word ^ (word >> _27)) * _MIX_2
    return word ^ (word >> _31)


@njit(inline="always", nogil=True)
def uniform(state):
    """Draw a number strictly between 0 and 1; return the next state and the number."""
    state = state + _GAMMA
    word = mixed(state)
    return state, uniform_52(word >> _32, word & _LOW)


@njit(inline="always", nogil=True)
def normal(state):
    """Draw a standard normal number; return the next state and the number."""
    state, u = uniform(state)
    return state, norm_ppf(u)


@njit(inline="always", nogil=True)
def below(state, n):
    """Draw a whole number from 0 to n - 1; return the next state and the number."""
    state, u = uniform(state)
    return state, min(np.int64(u * n), np.int64(n - 1))
