"""Rows of a Gaussian copula: correlated normal numbers, each of which decides one cell of a column.

A latent's uniform number u = Phi(z) falls into one of its bins, whose thresholds are cumulative probabilities; the
position inside the bin, uniform again, picks a cell of the bin, and the position inside the cell places the value.
Where one column stratifies the others, thresholds depend on that column's bin. A column whose values can be missing (or
be labels beside numbers) has two latents: the gate decides whether there is a value, the other which value.
"""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .draw import draw_cell, value_in_cell
from .layout import COLUMNS, JOINT, LABEL_SLOT, MISSING, NUMBER_SLOT, NUMBERS, RECORD, RECORDS, VALUES
from .normal import norm_cdf, norm_ppf
from .normal_table import fill_ppf, table_cdf
from .philox import philox_words, uniform_32, uniform_52

# Header of the joint tables: how many latents there are; how many of the first ones are drawn inside given bounds;
# how many strata there are; where the Cholesky factor (latents x latents, by row), the latents' records, the columns'
# records, the stratum of each cell of the stratifying column, and the proposal over strata begin; the stratifying
# column.
LATENTS, BOUNDED, STRATA, FACTOR, LATENT_RECORDS, COLUMN_RECORDS, STRATUM_OF, PROPOSAL, STRATIFIER, JOINT_HEADER = (
    range(10)
)

# A latent's record, in the order of drawing: how many bins it has; where their thresholds begin and how far those of
# two strata are apart (0: all share them); how many cells it has; where their edges begin, in which the cells of bin b
# cover b to b + 1; where the lower and upper bounds of u begin, by stratum. Bins and cells stand as they lie along the
# latent. Beside the n + 1 thresholds or edges stands their guide: n equal steps.
BINS, THRESHOLDS, STRIDE, CELLS, EDGES, BOUNDS, LATENT_RECORD = range(7)

# A column's record: the latents that are its gate (-1: none) and its value; where the cells that they decide begin,
# along the latent (where a gate's cell is -1, the value decides); the given cell (-1: none).
GATE, VALUE, GATE_CELLS, VALUE_CELLS, GIVEN_CELL, COLUMN_RECORD = range(6)

_BLOCK = 512
_STREAM = 1
_CANDIDATES = 16
_CANDIDATE_DIMENSIONS = 1 << 20  # dimensions below are the latents', those above the candidates'
_SMALLEST_UNIFORM, _LARGEST_UNIFORM = 2.0**-53, 1.0 - 2.0**-53


@borrowing(cache=True)
def guide_table(edges, guide):
    """Fill ``guide``: where the search in rising ``edges`` may begin, for equal steps from the first to the last.

    Source: H. C. Chen and Y. Asau, AIIE Transactions 6 (1974) 163-166.
    """
    cells = edges.size - 1
    at = 0
    for step in range(cells):
        while at < cells - 1 and edges[at + 1] <= edges[cells] * step / cells:
            at += 1
        guide[step] = at
    guide[cells] = cells - 1


@njit(nogil=True, inline="always")
def _find(ints, reals, edges, step, x):
    """Index of the interval of a table of edges that holds ``x``, from its guide's ``step`` on."""
    at = ints[edges + step]
    at += np.int64(x >= reals[edges + at + 1])  # almost always enough, and without a branch
    while x >= reals[edges + at + 1]:
        at += 1
    return at


@njit(nogil=True, inline="always")
def _position(low, high, x):
    """Where between two edges ``x`` lies, in [0, 1)."""
    return min(max((x - low) / (high - low), 0.0), _LARGEST_UNIFORM)


@njit(nogil=True, cache=True, error_model="numpy")
def _draw_normals(seed, first, rows, normals):
    """Fill ``normals`` (latents, rows) for the rows from ``first``; one Philox call serves four latents."""
    uniforms = np.empty((4, rows))
    for group in range(normals.shape[0] >> 2):
        for i in range(rows):
            words = philox_words(seed, first + i, group, _STREAM)
            uniforms[0, i] = uniform_32(words[0])
            uniforms[1, i] = uniform_32(words[1])
            uniforms[2, i] = uniform_32(words[2])
            uniforms[3, i] = uniform_32(words[3])
        for k in range(4):
            fill_ppf(uniforms[k], normals[4 * group + k], rows)


@borrowing(cache=True, error_model="numpy")
def _correlate(reals, factor, latents, rows, normals):
    """Multiply by the Cholesky factor, in place: the last latent first, so that none is needed once it has changed."""
    for k in range(latents - 1, -1, -1):
        row = factor + k * latents
        scale = reals[row + k]
        for i in range(rows):
            normals[k, i] *= scale
        for j in range(k):
            weight = reals[row + j]
            if weight != 0.0:
                for i in range(rows):
                    normals[k, i] += weight * normals[j, i]


@borrowing(cache=True, error_model="numpy")
def _decide(ints, reals, latent, rows, strata, z, at, position):
    """Find which of the latent's cells each row's ``z`` falls in, and the position inside it."""
    record = ints[ints[JOINT] + LATENT_RECORDS] + latent * LATENT_RECORD
    bins, thresholds, stride = ints[record + BINS], ints[record + THRESHOLDS], ints[record + STRIDE]
    cells, edges = ints[record + CELLS], ints[record + EDGES]
    for i in range(rows):
        position[i] = min(table_cdf(z[i]), _LARGEST_UNIFORM)
    for i in range(rows):
        u, table = position[i], thresholds + stride * strata[i]
        found = _find(ints, reals, table, np.int64(u * bins), u)
        at[i] = found
        position[i] = _position(reals[table + found], reals[table + found + 1], u)
    if cells > bins:
        end = bins * _LARGEST_UNIFORM  # a position just below 1 rounds up when a bin's number is added to it
        for i in range(rows):
            x = min(at[i] + position[i], end)
            found = _find(ints, reals, edges, np.int64(x / bins * cells), x)
            at[i] = found
            position[i] = _position(reals[edges + found], reals[edges + found + 1], x)


@borrowing(cache=True, error_model="numpy")
def _find_cells(ints, reals, column, rows, strata, normals, apart, cells, positions):
    """Find a column's cell in each row, and the position of the value inside it."""
    value, value_cells = ints[column + VALUE], ints[column + VALUE_CELLS]
    gate, gate_cells = ints[column + GATE], ints[column + GATE_CELLS]
    if gate >= 0:
        _decide(ints, reals, gate, rows, strata, normals[gate], apart, positions)
    _decide(ints, reals, value, rows, strata, normals[value], cells, positions)
    for i in range(rows):
        cells[i] = ints[value_cells + cells[i]]
    if gate >= 0:
        for i in range(rows):
            cell = ints[gate_cells + apart[i]]
            if cell >= 0:
                cells[i] = cell
    given = ints[column + GIVEN_CELL]
    if given >= 0:
        for i in range(rows):
            if cells[i] != given:  # the given cell cannot occur beside the others, so no position in it is known
                cells[i], positions[i] = given, 0.5


@njit(nogil=True, inline="always")
def _truncated_normal(low, high, uniform):
    """Draw a standard normal number between two bounds; return it and the probability of falling between them.

    Bounds above 0 are mirrored: probabilities keep their precision in the lower tail. Probability 0 comes with 0.
    """
    sign = 1.0
    if low > 0.0:
        low, high, sign = -high, -low, -1.0
    below, above = norm_cdf(low), norm_cdf(high)
    p = below + uniform * (above - below)
    if above > below and 0.0 < p < 1.0:
        return sign * norm_ppf(p), above - below
    return 0.0, 0.0


@borrowing(cache=True, error_model="numpy")
def _draw_bounded(ints, reals, seed, row, dimension, stratum, draws):
    """Draw the first latents one after another, each inside its bounds; return how likely the bounds were.

    Source: the GHK simulator, V. Hajivassiliou, D. McFadden, P. Ruud, Journal of Econometrics 72 (1996) 85-134.
    """
    joint = ints[JOINT]
    likelihood = 1.0
    for k in range(draws.size):
        bounds = ints[ints[joint + LATENT_RECORDS] + k * LATENT_RECORD + BOUNDS] + 2 * stratum
        row_of_factor = ints[joint + FACTOR] + k * ints[joint + LATENTS]
        mean, scale = 0.0, reals[row_of_factor + k]
        for j in range(k):
            mean += reals[row_of_factor + j] * draws[j]
        least, most = reals[bounds], reals[bounds + 1]
        low, high = (norm_ppf(least) - mean) / scale, (norm_ppf(most) - mean) / scale
        words = philox_words(seed, row, dimension + k, _STREAM)
        uniform = uniform_52(words[0], words[1])
        draws[k], probability = _truncated_normal(low, high, uniform)
        if probability == 0.0:  # cannot be; then inside the bounds whatever the other latents are
            u = min(max(least + uniform * (most - least), _SMALLEST_UNIFORM), _LARGEST_UNIFORM)
            draws[k] = (norm_ppf(u) - mean) / scale
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


@borrowing(cache=True, error_model="numpy")
def _put_cells(ints, reals, record, rows, cells, positions, start, out):
    """Write a column's cells as ``put_cell`` does, its words read once: twelve times as fast."""
    numbers, missing, values = ints[record + NUMBERS], ints[record + MISSING], ints[record + VALUES]
    number_slot, label_slot, scale = ints[record + NUMBER_SLOT], ints[record + LABEL_SLOT], reals[values]
    if number_slot >= 0:
        slot, firsts = out[number_slot, start:], reals[values + 1 : values + 1 + numbers]
        spans = reals[values + 1 + numbers : values + 1 + 2 * numbers]
        for i in range(rows):
            cell = cells[i]
            slot[i] = value_in_cell(firsts[cell], spans[cell], scale, positions[i]) if cell < numbers else np.nan
    if label_slot >= 0:
        slot = out[label_slot, start:]
        for i in range(rows):
            cell = cells[i]
            slot[i] = np.nan if cell < numbers or cell == missing else np.float64(cell - numbers)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_copula(ints, reals, seed, first, out):
    """Write the rows ``first``, ``first + 1``, ... into ``out`` (slots, rows)."""
    joint = ints[JOINT]
    latents, bounded, columns = ints[joint + LATENTS], ints[joint + BOUNDED], ints[joint + COLUMN_RECORDS]
    block = min(_BLOCK, out.shape[1])
    normals, positions = np.empty(((latents + 3) // 4 * 4, block)), np.empty(block)
    strata, apart, cells = np.zeros(block, np.int64), np.empty(block, np.int64), np.empty(block, np.int64)
    for start in range(0, out.shape[1], _BLOCK):
        rows = min(_BLOCK, out.shape[1] - start)
        _draw_normals(seed, first + start, rows, normals)
        if bounded > 0:
            _condition(ints, reals, seed, first + start, rows, normals, strata)
        _correlate(reals, ints[joint + FACTOR], latents, rows, normals)
        if bounded == 0 and ints[joint + STRATA] > 1:  # the stratifying column's own thresholds depend on no stratum
            stratifier = columns + ints[joint + STRATIFIER] * COLUMN_RECORD
            _find_cells(ints, reals, stratifier, rows, strata, normals, apart, cells, positions)
            for i in range(rows):
                strata[i] = ints[ints[joint + STRATUM_OF] + cells[i]]
        for j in range(ints[COLUMNS]):
            _find_cells(ints, reals, columns + j * COLUMN_RECORD, rows, strata, normals, apart, cells, positions)
            record = ints[RECORDS] + j * RECORD
            _put_cells(ints, reals, record, rows, cells, positions, start, out)
