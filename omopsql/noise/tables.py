"""Pairs of columns under noise: those that the imagined rows tell worst are chosen, counted and put right.

In each round the pairs whose tables differ most from the data's are chosen by noisy maximum and counted under noise,
and imagined rows are changed until their tables agree with what was counted. What is learned in the end is that
population. Source: R. McKenna and others, AIM, VLDB 2022 (choosing what the model tells worst).
"""

from __future__ import annotations

import numpy as np

from .mechanism import Account, scale_of
from .pairs import Pairs
from .population import Population

_CHOICE_SHARE = 0.15  # of rho
_ROUNDS = 6
_PAIRS_A_COLUMN = 0.25  # that are counted
_RAKES, _LAST_RAKES = 5, 10
_MOVES, _LAST_MOVES = 0, 3


def corrected(population: Population, pairs: Pairs, rho: float, account: Account) -> np.ndarray:
    """Correct imagined rows by tables of the data's cells: the rows to learn from, (columns, rows)."""
    width = len(pairs.margins)
    open_pairs = [(i, j) for i in range(width) for j in range(i + 1, width) if min(pairs.sizes[[i, j]]) > 1]
    wanted = min(len(open_pairs), max(round(_PAIRS_A_COLUMN * width), 1))
    if not wanted:
        return population.cells
    choice_rho, table_rho = _CHOICE_SHARE * rho / wanted, (1.0 - _CHOICE_SHARE) * rho / wanted
    scale = scale_of(table_rho, account.rows)
    joins = {(i, j): pairs.joins(i, j, pairs.most_cells(scale)) for i, j in open_pairs}
    for picks in np.array_split(np.arange(wanted), min(_ROUNDS, wanted)):
        population.agree(_RAKES, _MOVES)
        apart = [pairs.apart(*pair, joins[pair], population, scale) for pair in open_pairs]
        for _ in picks:
            at = account.choice("pair told worst", pairs.names, np.array(apart), choice_rho)
            i, j = open_pairs.pop(at)
            apart.pop(at)
            counts = pairs.counts(i, j, joins[i, j])
            noisy = account.sums("pair", [pairs.names[i], pairs.names[j]], counts, table_rho)
            population.targets.append(pairs.target(i, j, joins[i, j], noisy, account.releases[-1].scale, population))
    population.agree(_LAST_RAKES, _LAST_MOVES)
    return population.cells
