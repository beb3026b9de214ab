"""Rows of a Gaussian copula: correlated normal numbers, each of which decides one cell of a column.

A latent's uniform number u = Phi(z) falls between two of its thresholds, which are cumulative probabilities; its
position between them is uniform again and places the value inside the cell. Where one column stratifies the others,
their thresholds depend on that column's bin. A column whose values can be missing (or be labels beside numbers) has
two latents: the gate decides whether there is a value, the other which value.
"""

import math

import numpy as np
from numba import njit

from .draw import draw_cell
from .layout import COLUMNS, JOINT, RECORD, RECORDS, put_cell
from .normal import norm_cdf, norm_ppf
from .philox import philox_words, uniform_32, uniform_52

# Header of the joint tables: how many latents there are; how many of the first ones are drawn inside given bounds;
# how many strata there are; where the Cholesky factor (latents x latents, by row), the latents' records, the columns'
# records, the stratum of each cell of the stratifying column, and the proposal over strata begin; the stratifying
# column.
LATENTS, BOUNDED, STRATA, FACTOR, LATENT_RECORDS, COLUMN_RECORDS, STRATUM_OF, PROPOSAL, STRATIFIER, JOINT_HEADER = range(10)

# A latent's record, in the order of drawing: how many states it has; where its thresholds begin (states + 1 a stratum,
# with a guide of as many integers beside them) and how far those of two strata are apart (0: all share them); where the
# states by rank begin; where its bounds begin (first rank and rank after the last, by stratum).
STATES, THRESHOLDS, STRIDE, STATE_OF, BOUNDS, LATENT_RECORD = range(6)

# A column's record: the latents that are its gate (-1: none) and its value; where the cells of their states begin (where
# a gate's cell is -1, the value decides); the given cell (-1: none).
GATE, VALUE, GATE_CELLS, VALUE_CELLS, GIVEN_CELL, COLUMN_RECORD = range(6)

_BLOCK = 256
_STREAM = 1
_CANDIDATES = 16
_CANDIDATE_DIMENSIONS = 1 << 20  # dimensions below are the latents', those above the candidates'
_LARGEST_UNIFORM = 1.0 - 2.0**-53


@njit(nogil=True, cache=True)
def guide_table(thresholds, guide):
    """Fill ``guide``: where the search in rising ``thresholds`` (from 0 to 1) may begin, for equal steps of u.

    Source: H. C. Chen and Y. Asau, AIIE Transactions 6 (1974) 163-166.
    """
    states = thresholds.size - 1
    rank = 0
    for step in range(states):
        while rank < states - 1 and thresholds[rank + 1] <= step / states:
            rank += 1
        guide[step] = rank
    guide[states] = states - 1


@njit(nogil=True, inline="always")
def _rank(ints, reals, thresholds, states, u):
    """Which of the latent's states, in its order, holds ``u`` in [0, 1)."""
    rank = ints[thresholds + np.int64(u * states)]
    while u >= reals[thresholds + rank + 1]:
        rank += 1
    return rank


@njit(nogil=True, inline="always")
def _position(reals, thresholds, rank, u):
    """Where in a state ``u`` lies, in [0, 1)."""
    low, high = reals[thresholds + rank], reals[thresholds + rank + 1]
    if not high > low:
        return 0.5
    return min(max((u - low) / (high - low), 0.0), _LARGEST_UNIFORM)


@njit(nogil=True, cache=True, error_model="numpy")
def _draw_normals(seed, first, rows, normals):
    """Fill ``normals`` (latents, rows) for the rows from ``first``; one Philox call serves four latents."""
    latents = normals.shape[0]
    for group in range(0, latents, 4):
        taken = min(4, latents - group)
        for i in range(rows):
            words = philox_words(seed, first + i, group >> 2, _STREAM)
            for k in range(taken):
                normals[group + k, i] = uniform_32(words[k])
        for k in range(group, group + taken):
            for i in range(rows):
                normals[k, i] = norm_ppf(normals[k, i])


@njit(nogil=True, cache=True, error_model="numpy")
def _correlate(reals, factor, rows, normals):
    """Multiply by the Cholesky factor, in place: from the last latent down, so that none is needed after it changed."""
    latents = normals.shape[0]
    for k in range(latents - 1, -1, -1):
        row = factor + k * latents
        for i in range(rows):
            normals[k, i] *= reals[row + k]
        for j in range(k):
            weight = reals[row + j]
            if weight != 0.0:
                for i in range(rows):
                    normals[k, i] += weight * normals[j, i]


@njit(nogil=True, cache=True, error_model="numpy")
def _decide(ints, reals, latent, rows, strata, z, state, position):
    """Find the state that each row's ``z`` falls in, and the position inside it."""
    states, thresholds, stride = ints[latent + STATES], ints[latent + THRESHOLDS], ints[latent + STRIDE]
    state_of = ints[latent + STATE_OF]
    for i in range(rows):
        u = min(norm_cdf(z[i]), _LARGEST_UNIFORM)
        table = thresholds + stride * strata[i]
        rank = _rank(ints, reals, table, states, u)
        state[i] = ints[state_of + rank]
        position[i] = _position(reals, table, rank, u)


@njit(nogil=True, inline="always")
def _cell(ints, column, states, row):
    """The cell of a column in a row, from the states of its latents."""
    if ints[column + GIVEN_CELL] >= 0:
        return ints[column + GIVEN_CELL]
    if ints[column + GATE] >= 0:
        cell = ints[ints[column + GATE_CELLS] + states[ints[column + GATE], row]]
        if cell >= 0:
            return cell
    return ints[ints[column + VALUE_CELLS] + states[ints[column + VALUE], row]]


@njit(nogil=True, cache=True, error_model="numpy")
def _write(ints, reals, j, start, rows, states, positions, out):
    """Write a column's cells."""
    record, column = ints[RECORDS] + j * RECORD, ints[ints[JOINT] + COLUMN_RECORDS] + j * COLUMN_RECORD
    value = ints[column + VALUE]
    for i in range(rows):
        cell = _cell(ints, column, states, i)
        put_cell(ints, reals, record, cell, positions[value, i], start + i, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _find_strata(ints, reals, rows, normals, states, positions, strata):
    """Find each row's stratum: the bin of the stratifying column, whose own thresholds depend on no stratum."""
    joint = ints[JOINT]
    column = ints[joint + COLUMN_RECORDS] + ints[joint + STRATIFIER] * COLUMN_RECORD
    for latent in (ints[column + GATE], ints[column + VALUE]):
        if latent >= 0:
            record = ints[joint + LATENT_RECORDS] + latent * LATENT_RECORD
            _decide(ints, reals, record, rows, strata, normals[latent], states[latent], positions[latent])
    for i in range(rows):
        strata[i] = ints[ints[joint + STRATUM_OF] + _cell(ints, column, states, i)]


@njit(nogil=True, inline="always")
def _truncated_normal(low, high, mean, scale, uniform):
    """Draw a standard normal x with ``low`` <= mean + scale x < ``high``; return it and the probability of that.

    Both bounds are mirrored into the lower tail, where probabilities keep their precision.
    """
    low, high = (low - mean) / scale, (high - mean) / scale
    sign = 1.0
    if low > 0.0:
        low, high, sign = -high, -low, -1.0
    below, above = norm_cdf(low), norm_cdf(high)
    p = below + uniform * (above - below)
    if not 0.0 < p < 1.0:
        return sign * min(max(0.0, low), high), 0.0
    return sign * norm_ppf(p), above - below


@njit(nogil=True, cache=True, error_model="numpy")
def _draw_bounded(ints, reals, seed, row, dimension, stratum, draws):
    """Draw the first latents one after another, each inside its bounds; return how likely the bounds were.

    Source: the GHK simulator, V. Hajivassiliou, D. McFadden, P. Ruud, Journal of Econometrics 72 (1996) 85-134.
    """
    joint = ints[JOINT]
    latents, factor = ints[joint + LATENTS], ints[joint + FACTOR]
    likelihood = 1.0
    for k in range(draws.size):
        latent = ints[joint + LATENT_RECORDS] + k * LATENT_RECORD
        table, bounds = ints[latent + THRESHOLDS] + ints[latent + STRIDE] * stratum, ints[latent + BOUNDS] + 2 * stratum
        low, high = norm_ppf(reals[table + ints[bounds]]), norm_ppf(reals[table + ints[bounds + 1]])
        mean = 0.0
        for j in range(k):
            mean += reals[factor + k * latents + j] * draws[j]
        words = philox_words(seed, row, dimension + k, _STREAM)
        uniform = uniform_52(words[0], words[1])
        draws[k], probability = _truncated_normal(low, high, mean, reals[factor + k * latents + k], uniform)
        likelihood *= probability
    return likelihood


@njit(nogil=True, cache=True, error_model="numpy")
def _condition(ints, reals, seed, first, rows, normals, strata):
    """Replace the first latents' normal numbers by draws that fit what is given, and set each row's stratum.

    Of a few candidates one is chosen in proportion to its likelihood. Source: sampling importance resampling, D. B.
    Rubin, Journal of the American Statistical Association 82 (1987) 543-546.
    """
    joint = ints[JOINT]
    bounded, size, proposal = ints[joint + BOUNDED], ints[joint + STRATA], ints[joint + PROPOSAL]
    draws = np.empty(bounded)
    for i in range(rows):
        total = 0.0
        for candidate in range(_CANDIDATES):
            dimension = _CANDIDATE_DIMENSIONS + candidate * (bounded + 1)
            words = philox_words(seed, first + i, dimension, _STREAM)
            stratum, _ = draw_cell(ints, reals, proposal, size, uniform_52(words[0], words[1]))
            likelihood = _draw_bounded(ints, reals, seed, first + i, dimension + 1, stratum, draws)
            likelihood /= reals[proposal + size + stratum]
            total += likelihood
            if candidate == 0 or uniform_32(words[2]) * total < likelihood:
                strata[i] = stratum
                for k in range(bounded):
                    normals[k, i] = draws[k]


@njit(nogil=True, cache=True, error_model="numpy")
def fill_copula(ints, reals, seed, first, out):
    """Write the rows ``first``, ``first + 1``, ... into ``out`` (slots, rows)."""
    joint = ints[JOINT]
    latents, bounded = ints[joint + LATENTS], ints[joint + BOUNDED]
    block = min(_BLOCK, out.shape[1])
    normals, positions = np.empty((latents, block)), np.empty((latents, block))
    states, strata = np.empty((latents, block), np.int64), np.zeros(block, np.int64)
    for start in range(0, out.shape[1], _BLOCK):
        rows = min(_BLOCK, out.shape[1] - start)
        _draw_normals(seed, first + start, rows, normals)
        if bounded > 0:
            _condition(ints, reals, seed, first + start, rows, normals, strata)
        _correlate(reals, ints[joint + FACTOR], rows, normals)
        if bounded == 0 and ints[joint + STRATA] > 1:
            strata[:] = 0
            _find_strata(ints, reals, rows, normals, states, positions, strata)
        for k in range(latents):
            latent = ints[joint + LATENT_RECORDS] + k * LATENT_RECORD
            _decide(ints, reals, latent, rows, strata, normals[k], states[k], positions[k])
        for j in range(ints[COLUMNS]):
            _write(ints, reals, j, start, rows, states, positions, out)
