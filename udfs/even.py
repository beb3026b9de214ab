"""Even draws: of the 256 persons of a block, one falls into each 256th of the range, in each dimension apart.

Drawn like that, few persons have the shares of the model nearly as exactly as many times as many drawn one by one, and
a person still depends on nobody else. Dimensions stay independent of each other.

Sources: M. D. McKay, R. J. Beckman, W. J. Conover, A comparison of three methods for selecting values of input
variables in the analysis of output from a computer code, Technometrics 21, 1979 (Latin hypercubes); M. Luby,
C. Rackoff, How to construct pseudorandom permutations from pseudorandom functions, SIAM J. Comput. 17, 1988.
"""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .stream import mixed, start

BLOCK = 256  # persons whose numbers differ in the last bits alone
ROUNDS = 6  # with four, places of neighbours are told from random ones
_BITS = 8
_HALF, _NIBBLE = np.uint64(4), np.uint64(15)
_LAYER = 1 << 24  # layers of blocks stand apart from those of persons
_GAMMA, _ODD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)


@njit(inline="always", nogil=True)
def block_key(seed, number, layer):
    """What the places of a person's block depend on."""
    return start(seed, number >> _BITS, _LAYER + layer)


@njit(inline="always", nogil=True)
def _word(key, dimension, turn):
    """A word of 64 bits: a random function from nibbles to nibbles."""
    return mixed(mixed(key ^ (np.uint64(dimension + 1) * _ODD)) + np.uint64(turn + 1) * _GAMMA)


@njit(inline="always", nogil=True)
def _turned(left, right, word):
    """One round of a Feistel network of two nibbles."""
    return right, left ^ ((word >> (right << np.uint64(2))) & _NIBBLE)


@njit(inline="always", nogil=True)
def even(key, number, dimension, u):
    """A number strictly between 0 and 1, in the person's own 256th of a dimension; ``u``, uniform, says where in it."""
    left, right = (np.uint64(number) >> _HALF) & _NIBBLE, np.uint64(number) & _NIBBLE
    for turn in range(ROUNDS):
        left, right = _turned(left, right, _word(key, dimension, turn))
    return (np.float64(np.int64((left << _HALF) | right)) + u) / BLOCK


@borrowing
def enter_block(seed, number, layer, block, words):
    """Fill ``words`` (dimensions, rounds) for the block of a person, unless ``block`` tells that they are there."""
    if block[0] == number >> _BITS:
        return
    block[0] = number >> _BITS
    key = block_key(seed, number, layer)
    for dimension in range(words.shape[0]):
        for turn in range(ROUNDS):
            words[dimension, turn] = _word(key, dimension, turn)


@njit(inline="always", nogil=True)
def place_of(words, number, dimension):
    """The place of a person in the block that was entered: which 256th of a dimension is the person's own."""
    left, right = (np.uint64(number) >> _HALF) & _NIBBLE, np.uint64(number) & _NIBBLE
    for turn in range(ROUNDS):
        left, right = _turned(left, right, words[dimension, turn])
    return np.int64((left << _HALF) | right)
