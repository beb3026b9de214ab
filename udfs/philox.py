"""Philox 4x32-10: random numbers as a pure function of (seed, row, dimension), without state.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
The counter is (row low, row high, dimension, stream), the key is the seed. Any thread, partition or engine that
asks for the same cell gets the same number.
"""

import numpy as np
from numba import njit

from omopsql.registry import kernel

from .normal import norm_ppf

_WORD = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_DROP, _HALF = np.uint64(6), np.uint64(26)
_UNIT_52 = 1.0 / 4503599627370496.0
_UNIT_32 = 1.0 / 4294967296.0


@njit(inline="always", nogil=True)
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Ten rounds over a counter of four 32-bit words with a key of two; every word travels in a uint64."""
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> _SHIFT) ^ c1 ^ k0,
            product_1 & _WORD,
            (product_0 >> _SHIFT) ^ c3 ^ k1,
            product_0 & _WORD,
        )
        k0 = (k0 + _WEYL_0) & _WORD
        k1 = (k1 + _WEYL_1) & _WORD
    return c0, c1, c2, c3


@njit(inline="always", nogil=True)
def philox_words(seed, row, dim, stream):
    """Four 32-bit words for (seed, row, dim) of one stream. Streams keep the uses of one cell apart."""
    row_bits, seed_bits = np.uint64(row), np.uint64(seed)
    return philox4x32(
        row_bits & _WORD,
        row_bits >> _SHIFT,
        np.uint64(dim) & _WORD,
        np.uint64(stream),
        seed_bits & _WORD,
        seed_bits >> _SHIFT,
    )


@njit(inline="always", nogil=True)
def uniform_52(high, low):
    """Two 32-bit words as a double strictly between 0 and 1, on a grid of 2^-52 (53 bits would round up to 1)."""
    bits = ((high >> _DROP) << _HALF) | (low >> _DROP)
    return (np.float64(np.int64(bits)) + 0.5) * _UNIT_52


@njit(inline="always", nogil=True)
def uniform_32(word):
    """One 32-bit word as a double strictly between 0 and 1, on a grid of 2^-32."""
    return (np.float64(np.int64(word)) + 0.5) * _UNIT_32


@kernel(family="synth", example="SELECT round(omopsql.philox_uniform(42, 0, 0), 6) --> 0.61296")
def philox_uniform(seed: int, row: int, dim: int) -> float:
    """Uniform random number strictly between 0 and 1 for (seed, row, dim): the same arguments, the same number."""
    words = philox_words(seed, row, dim, 0)
    return uniform_52(words[0], words[1])


@kernel(family="synth", example="SELECT round(omopsql.philox_normal(42, 0, 0), 6) --> 0.287042")
def philox_normal(seed: int, row: int, dim: int) -> float:
    """Standard normal random number for (seed, row, dim): the quantile of philox_uniform of the same arguments."""
    words = philox_words(seed, row, dim, 0)
    return norm_ppf(uniform_52(words[0], words[1]))
