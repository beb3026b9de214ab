"""The joint statistics of a copula, added up over rows of cells."""

from __future__ import annotations

import numpy as np

from .cell_sums import asked_together, score_products
from .hermite import SCALE, scored
from .joint import Joint
from .latent import Latents, SharedGate
from .strata import Strata, count_strata, probabilities


def summed(
    cells: np.ndarray,
    latents: Latents,
    column: int,
    min_cell: int,
    shared: list[SharedGate],
    orders: dict[int, np.ndarray],
) -> Joint:
    """Add up the joint statistics of cells, (columns, rows), with ``column`` for the stratifying one (-1: none).

    First the margins in each stratum, then the products of the scores that follow from them. Sums over pairs of latents
    that fewer than ``min_cell`` rows ask together are left out.
    """
    strata = count_strata(cells, latents, column, min_cell)
    return joint_of(*score_sums(cells, latents, strata, min_cell), latents, strata, min_cell, shared, orders)


def score_sums(cells: np.ndarray, latents: Latents, strata: Strata, min_cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over rows: products of scores, (latents, latents), and rows that ask two gates, (strata, gates, gates)."""
    column, tables = strata.column, _scored(latents, strata, min_cell)
    stratum_of = latents.bins[column] if column >= 0 else np.zeros(len(latents.bins[0]), np.int64)
    columns = np.array([latent.column for latent in latents.each])
    scores = [_cell_scores(latents, k, by_rank) for k, (by_rank, _) in enumerate(tables)]
    strides = np.array([of_latent.shape[1] if len(of_latent) > 1 else 0 for of_latent in scores])
    offsets = np.concatenate([[0], np.cumsum([of_latent.size for of_latent in scores])[:-1]])
    flat = np.concatenate([of_latent.reshape(-1) for of_latent in scores])
    products = np.zeros((len(latents), len(latents)), np.int64)
    score_products(cells, max(column, 0), stratum_of, columns, strides, offsets, flat, products)
    return products, _asked(cells, latents, max(column, 0), stratum_of)


def joint_of(
    products: np.ndarray,
    asked: np.ndarray,
    latents: Latents,
    strata: Strata,
    min_cell: int,
    shared: list[SharedGate],
    orders: dict[int, np.ndarray],
) -> Joint:
    """Joint statistics from ``score_sums``. Pairs of latents that fewer than ``min_cell`` rows ask are left out."""
    variances = [coefficients[:, 1] for _, coefficients in _scored(latents, strata, min_cell)]
    weights, together = _weights(asked, latents, variances)
    known = together >= min_cell
    return Joint(shared, orders, strata, np.where(known, products, 0), np.where(known, weights, 0))


def _scored(latents: Latents, strata: Strata, min_cell: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The scores of each latent's cells by rank in each stratum, and their Hermite coefficients."""
    shares = probabilities(latents, strata, min_cell)
    return [scored(latent.thresholds(given)) for latent, given in zip(latents.each, shares, strict=True)]


def _cell_scores(latents: Latents, k: int, by_rank: np.ndarray) -> np.ndarray:
    """Latent ``k``'s score of each cell of its column, int16 of (strata or 1, cells); 0 where it is not asked."""
    states = latents.states(k)
    rank = np.argsort(latents.each[k].by_rank)
    return np.where(states >= 0, by_rank[:, rank[states]], 0).astype(np.int16)


def _asked(cells: np.ndarray, latents: Latents, stratifier: int, stratum_of: np.ndarray) -> np.ndarray:
    """How many rows of each stratum ask the values behind two gates; the first gate is one that is always open."""
    gates = [k for k, latent in enumerate(latents.each) if latent.is_gate]
    columns = np.array([0, *(latents.each[k].column for k in gates)])
    asked = [np.ones(len(latents.n[0]), bool), *(latents.states(k) == 0 for k in gates)]
    first_cells = np.concatenate([[0], np.cumsum([len(of_gate) for of_gate in asked])[:-1]])
    strata = int(stratum_of.max()) + 1
    counts = np.zeros((strata, len(columns), len(columns)), np.int64)
    asked_together(cells, stratifier, stratum_of, columns, first_cells, np.concatenate(asked), counts)
    return np.maximum(counts, counts.transpose(0, 2, 1))


def _weights(counts: np.ndarray, latents: Latents, variances: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sums over rows of the product of two latents' score variances, and how many rows ask both."""
    gates = [k for k, latent in enumerate(latents.each) if latent.is_gate]
    guard = np.array([gates.index(latents.guard(k)) + 1 if latents.guard(k) >= 0 else 0 for k in range(len(latents))])
    held = np.array([np.broadcast_to(np.rint(v * SCALE).astype(np.int64), len(counts)) for v in variances])
    rows = counts[:, guard[:, None], guard[None, :]]
    weights = np.einsum("tij,it,jt->ij", rows, held, held)
    return np.tril(weights), rows.sum(axis=0)
