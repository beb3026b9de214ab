"""How what describes a stay goes together: from released sums of products to a Cholesky factor."""

from __future__ import annotations

import numpy as np

from omopsql.synth.correlation import nearest_correlation
from omopsql.synth.hermite import SCALE, TERMS, scored, series, solved

from ..lives import Doubles
from ..sums import Sums
from .histograms import Histograms
from .scores import STATICS, pairs, statics
from .shifts import Shifts, pulled
from .structure import SUMMARIES, Structure

_PRIOR = 15  # persons that say: unrelated
_RIDGE = 0.12
_LOOSE = 0.5  # a score that tells less than this of its latent is pulled towards nothing
_DECIDED = 0.1  # a number of which less than this varies inside strata is decided by the stratum
_TIED = 0.9  # a count so close to its parent's that what is left is noise


def correlation(structure: Structure, sums: Sums, where: Shifts) -> Doubles:
    """The correlation matrix, inside a stratum, of what describes a stay, (dimensions, dimensions)."""
    held = pairs(structure, sums, "values.scored")
    moments = pairs(structure, sums, "values.products") / SCALE**2 / (held + _PRIOR)
    moments = _inside_strata(moments, structure, where)
    r = _believed(_unattenuated(structure, moments), held)
    own = len(STATICS) + np.arange(structure.joined)
    for which in range(1, 1 + len(SUMMARIES)):  # groups tell what a count says of the values of its series
        r[own, own + which * structure.joined] = r[own + which * structure.joined, own] = 0.0
    np.fill_diagonal(r, 1.0)
    return nearest_correlation(_count_rests(structure, r))


def _believed(r: Doubles, held: Doubles) -> Doubles:
    """Pull correlations to 0, those of each two kinds of numbers (statics, counts, means ...) by how much they differ.

    With few persons chance makes correlations, and impossible ones: what is nearest to them is far from all others.
    """
    joined = (len(r) - len(STATICS)) // 4
    kinds = np.split(np.arange(len(r)), len(STATICS) + joined * np.arange(4))
    found = np.eye(len(r))
    for at, one in enumerate(kinds):
        for other in kinds[: at + 1]:
            row, column = (part.reshape(-1) for part in np.meshgrid(one, other, indexing="ij"))
            row, column = row[row > column], column[row > column]
            found[row, column] = found[column, row] = pulled(r[row, column], held[row, column])
    return found


def _inside_strata(moments: Doubles, structure: Structure, where: Shifts) -> Doubles:
    """What is left of moments when the part that lies between strata, which ``where`` tells, is taken away."""
    joined, head = structure.joined, len(STATICS) + structure.joined
    everyone = structure.strangers
    level = np.zeros((len(everyone), len(moments)))
    persons = np.repeat(everyone[:, None], len(moments), axis=1)
    told = slice(len(SUMMARIES))
    level[:, head:] = where.level[:, :joined, told].transpose(0, 2, 1).reshape(len(level), -1)
    held = where.persons[:, :joined, told].transpose(0, 2, 1).reshape(len(level), -1)
    persons[:, head:] = structure.alone[:, None] * held
    both = np.einsum("hi,hj->hij", persons, persons / np.maximum(everyone, 1)[:, None])
    between = np.einsum("hij,hi,hj->ij", both, level, level) / np.maximum(both.sum(axis=0), 1.0)
    left = 1.0 - np.diag(between)
    inside = np.where(left > _DECIDED, 1.0 / np.sqrt(np.maximum(left, _DECIDED)), 0.0)
    return np.asarray((moments - between) * np.outer(inside, inside))


def _unattenuated(structure: Structure, moments: Doubles) -> Doubles:
    """Solve for the correlation of the latents, given that of their scores."""
    size = len(moments)
    weights = structure.strangers / max(structure.strangers.sum(), 1.0)
    coefficients = np.zeros((len(weights), size, TERMS + 1))
    variance = np.diag(moments)  # what a score tells of its latent; above 1 the score is the latent on a wider scale
    coefficients[:, :, 1] = np.clip(np.minimum(variance, np.sqrt(np.maximum(variance, 0.0))), 0.05, 1.2)
    _, table = statics(structure, "sex")
    _put_cells(coefficients, 2, statics(structure, "sex")[0], table)
    for place in range(structure.joined):
        _put_cells(coefficients, len(STATICS) + place, structure.counts, structure.count_of[:, place])
    first, second = np.triu_indices(size, 1)
    terms = np.zeros((len(first), TERMS + 1))
    for stratum in np.flatnonzero(weights):
        terms += weights[stratum] * series(coefficients[stratum, first], coefficients[stratum, second])
    found = solved(terms, moments[first, second])
    told = terms[:, 1]
    found = np.where(told < _LOOSE, found * told / (told + _RIDGE), found)
    r = np.eye(size)
    r[first, second] = r[second, first] = found
    return r


def _put_cells(coefficients: Doubles, dimension: int, histograms: Histograms, table: np.ndarray) -> None:
    """The Hermite coefficients of a latent that falls into cells, by stratum."""
    for stratum, histogram in enumerate(table.tolist()):
        if histogram >= 0:
            upto = histograms.upto[histograms.starts[histogram] : histograms.starts[histogram + 1]]
            _, found = scored(np.concatenate([[0.0], upto[:-1], [1.0]])[None, :])
            coefficients[stratum, dimension] = found[0]


def _count_rests(structure: Structure, r: Doubles) -> Doubles:
    """Put in place of a count with a parent what the parent's count does not tell of it."""
    change = np.eye(len(r))
    offset = len(STATICS)
    for child in range(structure.joined):
        parent = int(structure.count_parent[child])
        if not 0 <= parent < structure.joined:
            continue
        tie = r[offset + child, offset + parent]
        change[offset + child, offset + child] = 1.0 / np.sqrt(1.0 - min(tie * tie, 0.999))
        change[offset + child, offset + parent] = -tie * change[offset + child, offset + child]
    left = change @ r @ change.T
    for child in range(structure.joined):
        parent = int(structure.count_parent[child])
        if 0 <= parent < structure.joined:
            tie = r[offset + child, offset + parent]
            left[offset + child] *= max(0.0, 1.0 - (tie / _TIED) ** 8)
            left[:, offset + child] = left[offset + child]
    np.fill_diagonal(left, 1.0)
    return np.clip(left, -0.99, 0.99) + 0.01 * np.eye(len(r))
