"""The order of a category on its latent: labels that mean the same to the other columns lie side by side."""

from __future__ import annotations

import numpy as np

from .cell_sums import PairTables
from .hermite import SCALE, scored
from .latent import Latents

_ROUNDS = 4
_PSEUDO_ROWS = 10.0  # rows of no meaning that keep a rare label in the middle
_MOST_BINS = 33


def bin_scores(latents: Latents) -> list[np.ndarray]:
    """E[Z | bin] of each latent, in its margin."""
    return [_scores_in(latent.order, latent.bin_probabilities) for latent in latents.each]


def _scores_in(order: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    summed = np.cumsum(probabilities[order])
    thresholds = np.concatenate([[0.0], summed / summed[-1]])[None]
    scores = np.empty(len(order))
    scores[order] = scored(thresholds)[0][0] / SCALE
    return scores


def best_orders(latents: Latents, table: PairTables) -> dict[int, np.ndarray]:
    """Order the bins of every latent that is no number line, by the leading direction of the others' mean scores.

    ``table`` counts coarse states, 0 where a latent is not asked. This is a correspondence analysis of one latent with
    the scores of all others, repeated because those change with their own orders; it needs pair tables only.
    """
    scores, orders = bin_scores(latents), {}
    free = [k for k, latent in enumerate(latents.each) if not latent.is_line and 3 <= len(latent.order) <= _MOST_BINS]
    for _ in range(_ROUNDS):
        for k in free:
            probabilities = latents.each[k].bin_probabilities
            orders[k] = _best_order(k, probabilities, scores, latents, table)
            scores[k] = _scores_in(orders[k], probabilities)
    return orders


def _best_order(
    k: int, probabilities: np.ndarray, scores: list[np.ndarray], latents: Latents, table: PairTables
) -> np.ndarray:
    directions = []
    for other, latent in enumerate(latents.each):
        spread = np.sqrt(latent.bin_probabilities @ scores[other] ** 2)
        if other == k or spread <= 0.0:
            continue
        counts = table(k, other)[1:, 1:]
        rows = int(counts.sum())
        if rows:
            centred = scores[other] - counts.sum(axis=0) @ scores[other] / rows
            means = counts @ centred / (counts.sum(axis=1) + _PSEUDO_ROWS)
            directions.append(means / spread * np.sqrt(rows / table.rows))
    if not directions:
        return np.arange(len(probabilities))
    root = np.sqrt(probabilities)
    weighted = np.array(directions) * root
    weighted -= np.outer(weighted @ root, root)
    leading = np.linalg.eigh(weighted.T @ weighted)[1][:, -1] / np.maximum(root, 1e-9)
    if probabilities @ (leading * scores[k]) < 0.0:  # the sign as it was, so that the order is determined
        leading = -leading
    return np.argsort(leading, kind="stable")
