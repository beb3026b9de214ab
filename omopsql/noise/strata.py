"""The imagined rows under noise: one column stratifies the others, and each stratum has a copula of its own.

A copula of all rows says which column's tables it tells worst. Its bins are the strata. Counted in one release are the
tables of strata with every other column; in another, for all strata, the products of scores. A row lies in one stratum
only, so that many strata cost no more than one.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from omopsql.synth.copula_tables import Copula, copula_of
from omopsql.synth.joint import Joint
from omopsql.synth.latent import latents_of
from omopsql.synth.margins import Margin
from omopsql.synth.stratifier import simulated

from .margins import whole
from .mechanism import Account, scale_of
from .pairs import Pairs, Target
from .population import Population
from .scores import noisy_joint, noisy_products
from .tables import Joins

_PLAIN_SHARE, _CHOICE_SHARE, _TABLE_SHARE = 0.3, 0.04, 0.36  # of rho; products in strata get what is left
_FEWEST_STRATA, _MOST_STRATA = 2, 8
_PLAIN_ROWS = 50_000  # that the copula of all rows imagines
_ROWS_OF_NOISE = 12.0  # of noise of a product of scores: a stratum of average size holds so many rows


def by_one_copula(cells: np.ndarray, pairs: Pairs, size: int, rho: float, account: Account) -> tuple[Joint, Population]:
    """The copula of all rows of a table whose cells are given, (columns, rows); and so many rows that it imagines."""
    joint, latents = noisy_joint(cells, pairs.margins, pairs.rows, rho, account)
    return joint, pairs.population(simulated(copula_of(joint, latents, 1), size))


def imagined(cells: np.ndarray, pairs: Pairs, size: int, rho: float, account: Account) -> Population:
    """Imagine so many rows of a table whose cells are given, (columns, rows)."""
    width = len(pairs.margins)
    joint, plain = by_one_copula(cells, pairs, _PLAIN_ROWS, _PLAIN_SHARE * rho, account)
    left = rho * (1.0 - _PLAIN_SHARE - _CHOICE_SHARE - _TABLE_SHARE)
    most = int(pairs.rows / (_ROWS_OF_NOISE * scale_of(left, 0.8 * len(joint.products) * account.rows)))
    strata = [pairs.join(k, min(max(most, _FEWEST_STRATA), _MOST_STRATA)) for k in range(width)]
    scale = scale_of(_TABLE_SHARE * rho, math.sqrt(width - 1) * account.rows)
    joins = [_beside(pairs, k, strata[k], pairs.most_cells(scale)) for k in range(width)]
    column = _stratifier(pairs, joins, plain, scale, _CHOICE_SHARE * rho, account)
    targets = _tables(pairs, column, joins[column], plain, _TABLE_SHARE * rho, account)
    within = _margins(pairs, column, strata[column], targets)
    stratum = strata[column][pairs.maps[column]][cells[column]]
    copulas = _copulas(cells, stratum, within, joint.orders, left, account)
    sizes = whole(np.array([_rows(of) for of in within], float), size)
    made = [simulated(copula, int(n)) for copula, n in zip(copulas, sizes, strict=True) if n]
    return pairs.population(np.concatenate(made, axis=1))


def _beside(pairs: Pairs, column: int, strata: np.ndarray, most: int) -> dict[int, Joins]:
    """How the strata of a column and each other column are joined to a table of at most so many cells."""
    across = max(most // (int(strata.max()) + 1), 2)
    return {j: Joins(strata, pairs.join(j, across)) for j in range(len(pairs.margins)) if j != column}


def _stratifier(
    pairs: Pairs, joins: list[dict[int, Joins]], plain: Population, scale: float, rho: float, account: Account
) -> int:
    """Choose the column whose tables with all others are told worst: a row moves each of them by at most 1."""
    worst = [sum(pairs.apart(k, j, of, plain, scale) for j, of in beside.items()) for k, beside in enumerate(joins)]
    return account.choice("column told worst", pairs.names, np.array(worst), rho, len(joins) - 1.0)


def _tables(
    pairs: Pairs, column: int, joins: dict[int, Joins], plain: Population, rho: float, account: Account
) -> list[Target]:
    """Count the tables of strata with every other column: a row is in one cell of each."""
    counts = [pairs.counts(column, j, of) for j, of in joins.items()]
    flat = np.concatenate([of.reshape(-1) for of in counts])
    noisy = account.sums("strata", [pairs.names[column]], flat, rho, math.sqrt(len(counts)))
    scale = account.releases[-1].scale
    parts = np.split(noisy, np.cumsum([of.size for of in counts])[:-1])
    return [
        pairs.target(column, j, of, part.reshape(table.shape).astype(float), scale, plain)
        for (j, of), part, table in zip(joins.items(), parts, counts, strict=True)
    ]


def _margins(pairs: Pairs, column: int, strata: np.ndarray, targets: list[Target]) -> list[list[Margin]]:
    """The margins in each stratum: as its tables say, in whole rows."""
    own = strata[pairs.maps[column]]
    rows = np.bincount(own, weights=pairs.margins[column].n)
    within = []
    for s in range(len(rows)):
        shares = {column: (own == s).astype(float)}
        for of in targets:
            joined = of.shares / np.maximum(of.shares.sum(axis=0), 1e-12)
            shares[of.j] = joined[s, of.across[pairs.maps[of.j]]]
        n = max(int(rows[s]), 1)
        within.append([replace(m, n=whole(m.n * shares[k] + 1e-9, n)) for k, m in enumerate(pairs.margins)])
    return within


def _copulas(
    cells: np.ndarray,
    stratum: np.ndarray,
    within: list[list[Margin]],
    orders: dict[int, np.ndarray],
    rho: float,
    account: Account,
) -> list[Copula]:
    """The copula of each stratum, in which the cells, (columns, rows), have the orders that all have."""
    strata = [
        (np.ascontiguousarray(cells[:, stratum == s]), latents_of(margins, _rows(margins), []).ordered(orders))
        for s, margins in enumerate(within)
    ]
    names = [margin.column.name for margin in within[0]]
    joints = noisy_products("products of scores, by stratum", strata, orders, rho, account, names)
    return [copula_of(joint, latents, 1) for joint, (_, latents) in zip(joints, strata, strict=True)]


def _rows(margins: list[Margin]) -> int:
    return int(margins[0].n.sum())
