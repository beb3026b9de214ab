"""From joint statistics to a copula, and from a copula to the tables that ``udfs/copula.py`` reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omopsql.udfs import copula as kernel
from omopsql.udfs.copula import guide_table
from omopsql.udfs.draw import alias_table

from .arrays import Arrays
from .correlation import nearest_correlation
from .hermite import SCALE, TERMS, scored, series, solved
from .joint import Joint
from .latent import Latents
from .strata import PSEUDO_ROWS, probabilities

_LEAST_WEIGHT = 2e-3  # below it, a pair's correlation is not determined
_LEAST_SPREAD = 0.9


@dataclass(frozen=True)
class Copula:
    """A copula ready to be drawn from.

    ``stratifier`` is the stratifying column or -1; ``shares`` P(bin | stratum) of each latent, (strata, bins), one row
    where it depends on no stratum; ``correlation`` that of the latents.
    """

    latents: Latents
    stratifier: int
    shares: list[np.ndarray]
    correlation: np.ndarray


def copula_of(joint: Joint, latents: Latents, min_cell: int) -> Copula:
    """Derive the copula that joint statistics describe."""
    shares = probabilities(latents, joint.strata, min_cell)
    coefficients = np.zeros((len(latents), TERMS + 1))
    for k, latent in enumerate(latents.each):
        weights = _weights(latents, joint.strata.column, shares, k)
        coefficients[k] = weights @ scored(latent.thresholds(shares[k]))[1]
    return Copula(latents, joint.strata.column, shares, _correlation(joint, latents, coefficients))


def _weights(latents: Latents, stratifier: int, shares: list[np.ndarray], k: int) -> np.ndarray:
    """Share of each stratum among the rows that ask latent ``k``."""
    strata = len(shares[k])
    if strata == 1:
        return np.ones(1)
    rows = latents.bin_rows(stratifier)
    guard = latents.guard(k)
    if guard >= 0:
        if len(shares[guard]) > 1:
            rows = rows * shares[guard][:, 0]
        else:
            rows = rows * (latents.bin_of_column_bin(guard, stratifier) == 0)
    return rows / max(rows.sum(), 1e-9)


def _correlation(joint: Joint, latents: Latents, coefficients: np.ndarray) -> np.ndarray:
    """Solve for the correlation of each pair, then take the nearest correlation matrix.

    The series of a pair is that of its average coefficients, brought to the pair's own weight.
    """
    rows = float(latents.n[0].sum())
    second, first = np.tril_indices(len(latents), -1)
    weight = joint.weights[second, first] / SCALE**2 / rows
    guards = np.array([latents.guard(k) for k in range(len(latents))])
    known = (weight >= _LEAST_WEIGHT) & (guards[second] != first) & (guards[first] != second)
    first, second, weight = first[known], second[known], weight[known]
    spread = _spread(joint, latents, coefficients)
    product = joint.products[second, first] / SCALE**2 / rows / (spread[first] * spread[second])
    terms = series(coefficients[first], coefficients[second])
    terms *= (weight / np.maximum(terms[:, 1], 1e-12))[:, None]
    terms[:, 2:] = np.clip(terms[:, 2:], -weight[:, None], weight[:, None])
    matrix = np.eye(len(latents))
    r = solved(terms, product * weight * rows / (weight * rows + PSEUDO_ROWS))
    matrix[first, second] = matrix[second, first] = r
    return nearest_correlation(matrix)


def _spread(joint: Joint, latents: Latents, coefficients: np.ndarray) -> np.ndarray:
    """Standard deviation of each latent's scores over that expected, in [.9, 1].

    It is below 1 where a latent's margins in the strata were shared out, for want of rows, rather than counted.
    """
    expected = np.array([latent.n.sum() for latent in latents.each]) * coefficients[:, 1]
    found = np.diag(joint.products) / SCALE**2
    return np.clip(np.sqrt(found / np.maximum(expected, 1e-12)), _LEAST_SPREAD, 1.0)


def put_copula(arrays: Arrays, copula: Copula, given: dict[int, int]) -> int:
    """Put a copula's tables; return the offset of their header. ``given``: column -> the cell that it must have."""
    latents, stratifier = copula.latents, copula.stratifier
    order = _drawing_order(latents, stratifier, given)
    bounded = len(_bounded(latents, stratifier, given))
    place = np.argsort(order)
    factor = np.linalg.cholesky(copula.correlation[np.ix_(order, order)])
    strata = len(latents.bin_rows(stratifier)) if stratifier >= 0 else 1
    header = np.zeros(kernel.JOINT_HEADER, np.int64)
    header[kernel.LATENTS], header[kernel.BOUNDED], header[kernel.STRATA] = len(latents), bounded, strata
    header[kernel.STRATIFIER] = max(stratifier, 0)
    header[kernel.FACTOR] = arrays.put(reals=factor)
    records = [_latent_record(arrays, copula, k, strata, given) for k in order]
    header[kernel.LATENT_RECORDS] = arrays.put(np.concatenate(records))
    columns = [_column_record(arrays, latents, place, j, given) for j in range(len(latents.value))]
    header[kernel.COLUMN_RECORDS] = arrays.put(np.concatenate(columns))
    if stratifier >= 0:
        header[kernel.STRATUM_OF] = arrays.put(latents.bins[stratifier])
    if bounded:
        header[kernel.PROPOSAL] = _put_proposal(arrays, copula, given)
    return arrays.put(header)


def _bounded(latents: Latents, stratifier: int, given: dict[int, int]) -> list[int]:
    """The latents that must be drawn inside bounds: the stratifying column's, then those that decide given cells."""
    if not given:
        return []
    first = latents.asked_by(stratifier) if stratifier >= 0 else []
    for j in given:
        for k in latents.asked_by(j):
            if k not in first and _state_given(latents, k, given) >= 0:
                first.append(k)
    return first


def _state_given(latents: Latents, k: int, given: dict[int, int]) -> int:
    """The state that latent ``k`` must have for the given cells; -1 where any will do."""
    for j, cell in given.items():
        if k == latents.gate[j]:
            held = np.flatnonzero(latents.gate_cells[j] == cell)
            return int(held[0]) if len(held) else 0
        if k == latents.value[j]:
            return int(latents.states(k)[cell])
    return -1


def _drawing_order(latents: Latents, stratifier: int, given: dict[int, int]) -> np.ndarray:
    first = _bounded(latents, stratifier, given)
    return np.array([*first, *(k for k in range(len(latents)) if k not in first)], np.int64)


def _latent_record(arrays: Arrays, copula: Copula, k: int, strata: int, given: dict[int, int]) -> np.ndarray:
    latent, shares = copula.latents.each[k], copula.shares[k]
    thresholds = latent.bin_thresholds(shares)
    record = np.zeros(kernel.LATENT_RECORD, np.int64)
    record[kernel.BINS], record[kernel.CELLS] = len(latent.order), len(latent.cells)
    record[kernel.THRESHOLDS] = _put_guided(arrays, thresholds)
    record[kernel.STRIDE] = thresholds.shape[1] if len(thresholds) > 1 else 0
    record[kernel.EDGES] = _put_guided(arrays, latent.edges[None])
    if given:
        record[kernel.BOUNDS] = arrays.put(reals=_bounds(copula, k, strata, given))
    return record


def _put_guided(arrays: Arrays, edges: np.ndarray) -> int:
    """Put rows of rising edges with their guides."""
    guides = np.empty(edges.shape, np.int64)
    for row, guide in zip(edges, guides, strict=True):
        guide_table(row, guide)
    return arrays.put(guides, edges)


def _bounds(copula: Copula, k: int, strata: int, given: dict[int, int]) -> np.ndarray:
    """The least and the largest u that latent ``k`` may have in each stratum, (strata, 2)."""
    latents, stratifier = copula.latents, copula.stratifier
    latent = latents.each[k]
    rank = np.argsort(latent.by_rank)
    ranks = np.tile([0, len(rank)], (strata, 1))
    state = _state_given(latents, k, given)
    if state >= 0:
        ranks[:] = rank[state], rank[state] + 1
    elif stratifier >= 0 and k in latents.asked_by(stratifier):
        for stratum, held in enumerate(latents.bin_of_column_bin(k, stratifier)):
            if held >= 0:
                of_bin = rank[latent.bins == held]
                ranks[stratum] = of_bin.min(), of_bin.max() + 1
    thresholds = np.broadcast_to(latent.thresholds(copula.shares[k]), (strata, len(rank) + 1))
    return np.take_along_axis(thresholds, ranks, axis=1)


def _column_record(arrays: Arrays, latents: Latents, place: np.ndarray, j: int, given: dict[int, int]) -> np.ndarray:
    gate, value = int(latents.gate[j]), int(latents.value[j])
    record = np.zeros(kernel.COLUMN_RECORD, np.int64)
    record[kernel.GATE] = place[gate] if gate >= 0 else -1
    record[kernel.VALUE] = place[value]
    if gate >= 0:
        record[kernel.GATE_CELLS] = arrays.put(latents.gate_cells[j][latents.each[gate].by_rank])
    record[kernel.VALUE_CELLS] = arrays.put(latents.each[value].cells[latents.each[value].by_rank])
    record[kernel.GIVEN_CELL] = given.get(j, -1)
    return record


def _put_proposal(arrays: Arrays, copula: Copula, given: dict[int, int]) -> int:
    """Put the distribution that strata are proposed from: as likely as they are where the given cells occur."""
    latents, stratifier = copula.latents, copula.stratifier
    if stratifier < 0:
        weights = np.ones(1)
    elif stratifier in given:
        weights = np.zeros(len(latents.bin_rows(stratifier)))
        weights[latents.bins[stratifier][given[stratifier]]] = 1.0
    else:
        weights = latents.bin_rows(stratifier).astype(float)
        for k in _bounded(latents, stratifier, given):
            weights = weights * _chance(copula, k, given)
        if weights.sum() <= 0.0:  # no row is like that; the given cells come out all the same
            weights = latents.bin_rows(stratifier).astype(float)
    weights /= weights.sum()
    shares, aliases = np.empty(len(weights)), np.empty(len(weights), np.int64)
    alias_table(weights, shares, aliases)
    return arrays.put(aliases, np.concatenate([shares, weights]))


def _chance(copula: Copula, k: int, given: dict[int, int]) -> np.ndarray:
    """How likely latent ``k`` has the state that is given, in each stratum; 1 where none is."""
    latents, latent = copula.latents, copula.latents.each[k]
    state = _state_given(latents, k, given)
    if state < 0:
        return np.ones(1)
    if k in latents.asked_by(copula.stratifier):
        held = latents.bin_of_column_bin(k, copula.stratifier)
        return ((held < 0) | (held == latent.bins[state])).astype(float)
    widths = np.diff(latent.thresholds(copula.shares[k]), axis=1)
    return np.asarray(widths[:, np.argsort(latent.by_rank)[state]])
