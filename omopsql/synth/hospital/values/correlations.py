"""How what describes a stay goes together: from released sums of products to a Cholesky factor."""

from __future__ import annotations

import numpy as np

from omopsql.synth.correlation import nearest_correlation
from omopsql.synth.hermite import SCALE, TERMS, scored, series, solved

from ..lives import Doubles
from ..sums import Sums
from .histograms import Histograms
from .scores import STATICS, persons, statics
from .structure import Structure

_PRIOR = 15  # persons that say: unrelated
_RIDGE = 0.12
_LOOSE = 0.5  # a score that tells less than this of its latent is pulled towards nothing
_TIED = 0.9  # a count so close to its parent's that what is left is noise


def correlation(structure: Structure, sums: Sums) -> Doubles:
    """The correlation matrix of what describes a stay, (dimensions, dimensions)."""
    moments, held = _moments(structure, sums)
    moments *= held / (held + _PRIOR)
    r = _unattenuated(structure, moments)
    r[held == 0] = 0.0
    np.fill_diagonal(r, 1.0)
    return nearest_correlation(_count_rests(structure, r))


def _moments(structure: Structure, sums: Sums) -> tuple[Doubles, Doubles]:
    """The mean product of each pair of scores, and its persons."""
    joined, size = structure.joined, len(persons(structure))
    held = persons(structure).astype(float)
    moments = np.zeros((size, size))
    keys, n = sums.get("values.products", 4)

    def dimension(name: int, number: int) -> int:
        if name == 0:
            return number
        place = structure.place.get(name, joined)
        return -1 if place >= joined else len(STATICS) + number * joined + place

    for (one, which, other, what), total in zip(keys.tolist(), n.tolist(), strict=True):
        i, j = dimension(one, which), dimension(other, what)
        if i >= 0 and j >= 0 and held[i, j] > 0:
            moments[i, j] = moments[j, i] = total / SCALE**2 / held[i, j]
    return moments, held


def _unattenuated(structure: Structure, moments: Doubles) -> Doubles:
    """Solve for the correlation of the latents, given that of their scores."""
    size = len(moments)
    keys, n = structure.strata
    finest = keys[:, 0] != 0 if (keys[:, 0] != 0).any() else np.arange(len(n)) == len(n) - 1
    weights = np.where(finest, n, 0) / max(n[finest].sum(), 1)
    coefficients = np.zeros((len(n), size, TERMS + 1))
    coefficients[:, :, 1] = np.clip(np.diag(moments), 0.05, 1.2)
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
