"""Which column stratifies the others, if any: by trial, with the compiled generator."""

from __future__ import annotations

import numpy as np

from omopsql.udfs import layout
from omopsql.udfs.copula import fill_copula

from .arrays import Arrays
from .cell_sums import PairTables
from .copula_tables import Copula, copula_of, put_copula
from .hermite import SCALE
from .joint import Joint
from .joint_sums import summed
from .latent import Latents
from .ordering import bin_scores
from .strata import Told, bin_coefficients, conditional, link, linked_bins

TRIAL_ROWS = 20_000
TRIAL_SEED = 777
_TRIALS_BY_GAIN = 3
_TRIALS_OF_FEW = 2


def pair_tables(latents: Latents, cells: np.ndarray) -> PairTables:
    """Count the coarse states of every pair of latents; state 0: not asked."""
    states = np.empty((len(latents), cells.shape[1]), np.uint8)
    for k, latent in enumerate(latents.each):
        np.take(latents.coarse_states(k).astype(np.uint8), cells[latent.column], out=states[k])
    return PairTables.counted(states, state_sizes(latents))


def state_sizes(latents: Latents) -> np.ndarray:
    """How many coarse states each latent has."""
    return np.array([len(latent.order) + 1 for latent in latents.each])


def best_stratifier(cells: np.ndarray, latents: Latents, table: PairTables, min_cell: int) -> int:
    """Choose the column whose bins stratify the others best, or -1, by trial."""
    columns = candidates(latents, table, min_cell)
    return nearest([summed(cells, latents, column, min_cell, [], {}) for column in columns], latents, table, min_cell)


def candidates(latents: Latents, table: PairTables, min_cell: int) -> list[int]:
    """The columns that are tried as the stratifying one; -1 for none comes first."""
    return [-1, *_promising(latents, table, min_cell)] if len(latents.value) > 1 else [-1]


def nearest(joints: list[Joint], latents: Latents, table: PairTables, min_cell: int) -> int:
    """The stratifying column of the joint statistics whose simulated pair tables come nearest; the first, if alone."""
    if len(joints) == 1:
        return joints[0].strata.column
    distances = []
    for joint in joints:
        rows = simulated(copula_of(joint, latents, min_cell), TRIAL_ROWS)
        distances.append(table.distance(pair_tables(latents, rows)))
    return joints[int(np.argmin(distances))].strata.column


def _promising(latents: Latents, table: PairTables, min_cell: int) -> list[int]:
    """The columns worth a trial: those that tell most net of their cost, and those of few values that tell most."""
    told, cost = _gains(latents, table, min_cell)
    net = np.maximum(told - cost, 0.0).sum(axis=1)
    best = [int(j) for j in np.argsort(-net, kind="stable") if net[j] > 0.0][:_TRIALS_BY_GAIN]
    values = [latents.each[k] for k in latents.value]
    few = [j for j, value in enumerate(values) if len(value.order) > 1 and not value.is_line and j not in best]
    return best + sorted(few, key=lambda j: -told[j].sum())[:_TRIALS_OF_FEW]


def _gains(latents: Latents, table: PairTables, min_cell: int) -> tuple[np.ndarray, np.ndarray]:
    """What each column, as the stratifying one, would tell of each latent, in nats a row beyond a Gaussian link.

    Returns that and its cost, (columns, latents): a released cell costs twice what a parameter does.
    """
    scores, coefficients = bin_scores(latents), [bin_coefficients(latent) for latent in latents.each]
    told, cost = np.zeros((len(latents.value), len(latents))), np.zeros((len(latents.value), len(latents)))
    for j, i in enumerate(latents.value):
        for k, latent in enumerate(latents.each):
            if latent.column == j or latents.guard(int(i)) == k:
                continue
            counts = table(int(i), k)[1:, 1:]
            rows = int(counts.sum())
            if rows < min_cell:
                continue
            product = float(scores[i] @ counts @ scores[k]) * SCALE**2
            r = link(product, rows, coefficients[i], coefficients[k])
            prior = linked_bins(latents.each[i], latent, r, points=4)
            is_large = counts >= min_cell
            large = Told(np.where(is_large, counts, 0), np.zeros_like(is_large))
            share = conditional(large, counts.sum(axis=1), prior, min_cell)
            ratio = np.maximum(share, 1e-12) / np.maximum(prior, 1e-12)
            told[j, k] = (counts * np.log(ratio)).sum() / table.rows
            cost[j, k] = 2.0 * is_large.sum() / table.rows
    return told, cost


def simulated(copula: Copula, rows: int) -> np.ndarray:
    """Draw the cells of so many rows, int64 of (columns, rows)."""
    arrays = Arrays()
    arrays.put(np.zeros(layout.HEADER))
    records = []
    for j, n in enumerate(copula.latents.n):
        record = np.full(layout.RECORD, -1, np.int64)
        record[layout.NUMBER_SLOT], record[layout.NUMBERS], record[layout.CELLS] = j, len(n), len(n)
        record[layout.VALUES] = arrays.put(reals=np.concatenate([[1.0], np.arange(len(n)), np.ones(len(n))]))
        records.append(record)
    start = arrays.put(np.concatenate(records))
    joint = put_copula(arrays, copula, {})
    ints, reals = arrays.joined()
    ints[[layout.METHOD, layout.COLUMNS, layout.RECORDS, layout.JOINT]] = layout.COPULA, len(records), start, joint
    out = np.empty((len(records), rows))
    fill_copula(ints, reals, TRIAL_SEED, 0, out)
    return out.astype(np.int64)
