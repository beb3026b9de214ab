"""Margins given a stratum: how often each bin of a column occurs in each bin of one stratifying column.

A released table has counts of at least ``min_cell`` rows. What is left of a row is shared over its other bins as the
Gaussian link between the two columns says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .cell_sums import cross_counts
from .hermite import SCALE, linked_rows, scored, series, solved
from .latent import Latent, Latents
from .ordering import bin_scores

PSEUDO_ROWS = 5.0  # rows of independence that every correlation is shrunk by
_LEAST_VARIANCE = 1e-3


@dataclass(frozen=True)
class Strata:
    """One column whose bins are strata, and what is known of the other columns in each.

    ``column`` stratifies (-1: none does; all rows are one stratum). ``told`` holds the released table of its bins with
    the bins of every column, None for itself; ``links`` the sum over rows of the product of its value's bin score with
    that of every latent, in units of 1024 x 1024.
    """

    column: int
    told: tuple[Told | None, ...] = ()
    links: tuple[int, ...] = ()


@dataclass(frozen=True)
class Told:
    """A released table of strata and bins.

    ``counts`` holds cells of at least ``min_cell`` rows, 0 where a cell is not told. ``blurred`` marks cells of that
    size whose count is told only in sum with all cells of their row that are not told: else those could be solved for.
    """

    counts: np.ndarray
    blurred: np.ndarray


def released(counts: np.ndarray, min_cell: int) -> Told:
    """Keep what may be told of a table whose row and column totals are known.

    What a row or a column lacks to its total must be nothing or at least ``min_cell`` rows. Where it is less, the
    smallest told cell of a row is blurred, that of a column is not told.
    """
    told, blurred = np.where(counts >= min_cell, counts, 0), np.zeros(counts.shape, bool)
    while True:
        columns, rows = _short(told.T, counts.T, min_cell)
        told[rows, columns] = 0
        short, bins = _short(told, counts, min_cell)
        told[short, bins], blurred[short, bins] = 0, True
        if not len(rows) and not len(short):
            return Told(told, blurred)


def _short(told: np.ndarray, counts: np.ndarray, min_cell: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that lack fewer than ``min_cell`` to their total, but something, and the smallest told cell of each."""
    lacking = (counts - told).sum(axis=1)
    short = np.flatnonzero((lacking > 0) & (lacking < min_cell) & (told.sum(axis=1) > 0))
    return short, np.where(told[short] > 0, told[short], np.iinfo(np.int64).max).argmin(axis=1)


def count_strata(cells: np.ndarray, latents: Latents, column: int, min_cell: int) -> Strata:
    """Count the bins of ``column`` with those of every other column, from the cells, (columns, rows)."""
    return strata_of(partial(_bin_counts, cells, latents, column), latents, column, min_cell)


def _bin_counts(cells: np.ndarray, latents: Latents, first: int, second: int) -> np.ndarray:
    one, two = latents.bins[first], latents.bins[second]
    counts = np.zeros((int(one.max()) + 1, int(two.max()) + 1), np.int64)
    cross_counts(cells[first], cells[second], one, two, counts)
    return counts


def strata_of(counted: Callable[[int], np.ndarray], latents: Latents, column: int, min_cell: int) -> Strata:
    """Strata of ``column`` from its bins counted with those of any other, (bins, bins)."""
    if column < 0:
        return Strata(-1)
    scores = bin_scores(latents)
    own = _scores_of_bins(latents, int(latents.value[column]), column, scores)
    told: list[Told | None] = []
    links = [0] * len(latents)
    for j in range(len(latents.bins)):
        if j == column:
            told.append(None)
            continue
        counts = counted(j)
        told.append(released(counts, min_cell))
        for k in latents.asked_by(j):
            links[k] = int(own @ counts @ _scores_of_bins(latents, k, j, scores))
    return Strata(column, tuple(told), tuple(links))


def _scores_of_bins(latents: Latents, k: int, column: int, scores: list[np.ndarray]) -> np.ndarray:
    """Latent ``k``'s score in each bin of a column, times 1024; 0 where it is not asked."""
    found = latents.bin_of_column_bin(k, column)
    return np.where(found >= 0, np.rint(scores[k][found] * SCALE), 0.0).astype(np.int64)


def probabilities(latents: Latents, strata: Strata, min_cell: int) -> list[np.ndarray]:
    """P(bin | stratum) of every latent, (strata, bins); one row where a latent depends on no stratum."""
    found = [latent.bin_probabilities[None] for latent in latents.each]
    own = latents.asked_by(strata.column) if strata.column >= 0 else []
    for j, told in enumerate(strata.told):
        if told is not None:
            gate, value = int(latents.gate[j]), int(latents.value[j])
            gates, values = _given_stratum(latents, strata, j, told, min_cell)
            found[value] = values
            if gate >= 0 and gate not in own and latents.each[gate].column == j:
                found[gate] = gates
    return found


def _given_stratum(
    latents: Latents, strata: Strata, j: int, told: Told, min_cell: int
) -> tuple[np.ndarray, np.ndarray]:
    """P(bin | stratum) of the gate (one bin where there is none) and of the value of column ``j``."""
    gate, value = int(latents.gate[j]), int(latents.value[j])
    totals = latents.bin_rows(strata.column)
    gate_prior = _expected(latents, strata, gate) if gate >= 0 else np.ones((len(totals), 1))
    value_prior = _expected(latents, strata, value)
    at_gate = latents.bin_of_column_bin(gate, j) if gate >= 0 else np.zeros(told.counts.shape[1], np.int64)
    at_value = latents.bin_of_column_bin(value, j)
    has_value = at_value >= 0
    prior = gate_prior[:, at_gate] * np.where(has_value, value_prior[:, at_value], 1.0)
    shares = conditional(told, totals, prior, min_cell)
    gates = shares @ np.eye(gate_prior.shape[1])[at_gate]
    values = shares[:, has_value] @ np.eye(value_prior.shape[1])[at_value[has_value]]
    asked = values.sum(axis=1, keepdims=True)
    return gates, np.where(asked > 1e-9, values / np.maximum(asked, 1e-9), value_prior)


def conditional(told: Told, totals: np.ndarray, prior: np.ndarray, min_cell: int) -> np.ndarray:
    """P(bin | stratum), (strata, bins), from what is told, the strata's rows, and what is expected, (strata, bins).

    The rows of a stratum that are not told are shared as expected. Beside blurred cells, half of ``min_cell`` is taken
    for the cells that are not told, as far as that leaves ``min_cell`` for each blurred one.
    """
    rest = np.maximum(totals - told.counts.sum(axis=1), 0.0)
    blurs = told.blurred.sum(axis=1)
    small = np.where(blurs > 0, np.clip(rest - blurs * min_cell, 0.0, 0.5 * min_cell), rest)
    counts = told.counts + _shared(small, prior * ~(told.blurred | (told.counts > 0)))
    counts += _shared(rest - small, prior * told.blurred)
    counts = np.where(totals[:, None] < min_cell, prior, counts)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12))


def _shared(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share the rows of each stratum in proportion to weights, (strata, bins)."""
    return np.asarray(rows[:, None] * weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12))


def _expected(latents: Latents, strata: Strata, k: int) -> np.ndarray:
    """P(bin of latent k | stratum) as the Gaussian link says; k's margin in the strata that hold no value."""
    first, second = latents.each[latents.value[strata.column]], latents.each[k]
    rows = _rows_with_both(latents, int(latents.value[strata.column]), k)
    r = link(strata.links[k], rows, bin_coefficients(first), bin_coefficients(second))
    linked = linked_bins(first, second, r)
    at = latents.bin_of_column_bin(int(latents.value[strata.column]), strata.column)
    return np.where(at[:, None] >= 0, linked[at], second.bin_probabilities)


def linked_bins(first: Latent, second: Latent, r: float, points: int = 16) -> np.ndarray:
    """P(bin of the second | bin of the first) under correlation ``r`` in their margins."""
    linked = np.empty((len(first.order), len(second.order)))
    by_order = linked_rows(first.bin_probabilities[first.order], second.bin_probabilities[second.order], r, points)
    linked[np.ix_(first.order, second.order)] = by_order
    return linked


def link(product: float, rows: float, first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two latents in their margins.

    ``product`` is the sum of their bin score products over ``rows`` rows, in units of 1024 x 1024; ``first`` and
    ``second`` the Hermite coefficients of those scores.
    """
    mean = product / SCALE**2 / (rows + PSEUDO_ROWS / max(first[1] * second[1], _LEAST_VARIANCE))
    return float(solved(series(first, second)[None], np.array([mean]))[0])


def bin_coefficients(latent: Latent) -> np.ndarray:
    """Hermite coefficients of a latent's bin scores in its margin."""
    summed = np.cumsum(latent.bin_probabilities[latent.order])
    return scored(np.concatenate([[0.0], summed / summed[-1]])[None])[1][0]


def _rows_with_both(latents: Latents, i: int, k: int) -> float:
    """Rows in which both latents are asked: exactly, where no more than one gate is in play; else as if independent."""
    rows = latents.n[0].sum()
    asked = [float(latents.each[at].n.sum()) for at in (i, k)]
    if latents.guard(i) == latents.guard(k):
        return asked[0]
    return asked[0] * asked[1] / rows
