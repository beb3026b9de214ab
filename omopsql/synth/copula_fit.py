"""Fitting a copula: which column stratifies the others, and the sums over all rows that follow from it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from omopsql.udfs import layout
from omopsql.udfs.copula import fill_copula

from .arrays import Arrays
from .cell_sums import PairTables, asked_together, chosen_rows, score_products
from .copula_tables import Copula, copula_of, put_copula, thresholds_given
from .gates import shared_gates
from .hermite import SCALE, scored
from .joint import Joint, joint_table
from .latent import Latents, SharedGate, latents_of
from .margins import Margin
from .ordering import best_orders
from .strata import count_strata, gains

CHOICE_ROWS = 65_536  # rows that orders and strata are chosen on; all rows are summed
TRIAL_ROWS = 20_000
TRIAL_SEED = 777
_CHOICE_WORK = 1 << 26  # rows times pairs of latents
_FEW_STRATA = 33


def fit_copula(cells: np.ndarray, margins: list[Margin], min_cell: int) -> pa.Table:
    """Learn a copula from margin cells, int32 of (columns, rows): the joint rows of its model.

    Every n is a sum of integers over rows, and the same in any order of them. Orders and strata are chosen on a sample
    of rows; a column stratifies the others if pair tables simulated so come nearer to the sample's than without.
    """
    shared = shared_gates(cells, margins)
    latents = latents_of(margins, cells.shape[1], shared)
    pairs = len(latents) * (len(latents) - 1) // 2 + 1
    sample = np.ascontiguousarray(cells[:, chosen_rows(cells, min(CHOICE_ROWS, max(_CHOICE_WORK // pairs, 4096)))])
    part = latents.counted(sample)
    table = _pair_tables(part, sample)
    orders = best_orders(part, table)
    column = best_stratifier(sample, part.ordered(orders), table, min_cell)
    latents = latents.ordered(orders)
    joint = summed(cells, latents, column, min_cell, shared, orders)
    return joint_table(joint, latents, margins)


def _pair_tables(latents: Latents, cells: np.ndarray) -> PairTables:
    """Count the coarse states of every pair of latents; state 0: not asked."""
    states = np.empty((len(latents), cells.shape[1]), np.uint8)
    for k, latent in enumerate(latents.each):
        np.take(latents.coarse_states(k).astype(np.uint8), cells[latent.column], out=states[k])
    return PairTables(states, np.array([len(latent.order) + 1 for latent in latents.each]))


def best_stratifier(cells: np.ndarray, latents: Latents, table: PairTables, min_cell: int) -> int:
    """Choose the column whose bins stratify the others best, or -1, by trial."""
    candidates = [-1, *_candidates(latents, table, min_cell)]
    if len(latents.value) < 2:
        return -1
    distances = []
    for column in candidates:
        joint = summed(cells, latents, column, min_cell, [], {})
        rows = simulated(copula_of(joint, latents, min_cell), TRIAL_ROWS)
        distances.append(table.distance(_pair_tables(latents, rows)))
    return candidates[int(np.argmin(distances))]


def _candidates(latents: Latents, table: PairTables, min_cell: int) -> list[int]:
    """The columns worth a trial: the two that tell most beyond Gaussian links, and the best of few values."""
    gain = gains(latents, table, min_cell)
    best = [int(j) for j in np.argsort(-gain, kind="stable") if gain[j] > 0.0]
    is_few = [not latents.each[k].is_line for k in latents.value]
    return best[:2] + [j for j in best[2:] if is_few[j]][:1]


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


def summed(
    cells: np.ndarray,
    latents: Latents,
    column: int,
    min_cell: int,
    shared: list[SharedGate],
    orders: dict[int, np.ndarray],
) -> Joint:
    """Add up the joint statistics over all rows, with ``column`` (or -1) for the stratifying one."""
    strata = count_strata(cells, latents, column, min_cell)
    thresholds = thresholds_given(latents, strata, min_cell)
    tables = [scored(of_latent) for of_latent in thresholds]
    stratum_of = latents.bins[column] if column >= 0 else np.zeros(len(latents.bins[0]), np.int64)
    stratifier = max(column, 0)
    columns = np.array([latent.column for latent in latents.each])
    scores = [_cell_scores(latents, k, of_latent) for k, (of_latent, _) in enumerate(tables)]
    strides = np.array([of_latent.shape[1] if len(of_latent) > 1 else 0 for of_latent in scores])
    offsets = np.concatenate([[0], np.cumsum([of_latent.size for of_latent in scores])[:-1]])
    products = np.zeros((len(latents), len(latents)), np.int64)
    flat = np.concatenate([of_latent.reshape(-1) for of_latent in scores])
    score_products(cells, stratifier, stratum_of, columns, strides, offsets, flat, products)
    weights, together = _weights(cells, latents, stratifier, stratum_of, [a[:, 1] for _, a in tables])
    known = together >= min_cell
    return Joint(shared, orders, strata, np.where(known, products, 0), np.where(known, weights, 0))


def _cell_scores(latents: Latents, k: int, by_rank: np.ndarray) -> np.ndarray:
    """Latent ``k``'s score of each cell of its column, int16 of (strata or 1, cells); 0 where it is not asked."""
    states = latents.states(k)
    rank = np.argsort(latents.each[k].by_rank)
    return np.where(states >= 0, by_rank[:, rank[states]], 0).astype(np.int16)


def _weights(
    cells: np.ndarray, latents: Latents, stratifier: int, stratum_of: np.ndarray, variances: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over rows of the product of two latents' score variances, and how many rows ask both."""
    gates = [k for k, latent in enumerate(latents.each) if latent.is_gate]
    columns = np.array([0, *(latents.each[k].column for k in gates)])
    asked = [np.ones(len(latents.n[0]), bool), *(latents.states(k) == 0 for k in gates)]
    first_cells = np.concatenate([[0], np.cumsum([len(of_gate) for of_gate in asked])[:-1]])
    strata = int(stratum_of.max()) + 1
    counts = np.zeros((strata, len(columns), len(columns)), np.int64)
    asked_together(cells, stratifier, stratum_of, columns, first_cells, np.concatenate(asked), counts)
    counts = np.maximum(counts, counts.transpose(0, 2, 1))
    guard = np.array([gates.index(latents.guard(k)) + 1 if latents.guard(k) >= 0 else 0 for k in range(len(latents))])
    held = np.array([np.broadcast_to(np.rint(v * SCALE).astype(np.int64), strata) for v in variances])
    rows = counts[:, guard[:, None], guard[None, :]]
    weights = np.einsum("tij,it,jt->ij", rows, held, held)
    return np.tril(weights), rows.sum(axis=0)
