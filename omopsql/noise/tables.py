"""Pairs of columns under noise: those that the copula tells worst are chosen, counted and put right, round by round.

The copula imagines a population. In each round the pairs whose tables differ most from the data's are chosen by noisy
maximum and counted under noise, and the imagined rows are weighted until their tables agree with what was counted. What
is learned in the end is the weighted population: the nearest to the copula with those tables. Sources: R. McKenna and
others, AIM, VLDB 2022 (choosing what the model tells worst); W. Deming, F. Stephan, 1940 (raking).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numba import njit

from omopsql.synth.bins import bins_of, coded
from omopsql.synth.cell_sums import PairTables
from omopsql.synth.margins import Margin

from .margins import fitted
from .mechanism import Account, scale_of

_FINE = 24  # bins of a column in which pairs are compared at most
_CHOICE_SHARE = 0.15  # of ρ
_ROUNDS = 6
_PAIRS_A_COLUMN = 2.0  # that are counted
_TOLD = 0.05  # total variation that noise may add to a table: it has as many cells as that allows
_FEWEST_CELLS = 16
_SWEEPS, _LAST_SWEEPS = 6, 30
_MOST_RATIO = 8.0


@dataclass
class Population:
    """Imagined rows, by their cells, (columns, rows), and how much each weighs."""

    cells: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    places: list[np.ndarray] = field(default_factory=list)
    targets: list[np.ndarray] = field(default_factory=list)

    def table(self, i: int, j: int, sizes: np.ndarray) -> np.ndarray:
        """Shares of two columns' fine bins."""
        at = self.codes[i].astype(np.int64) * sizes[j] + self.codes[j]
        return np.bincount(at, self.weights, sizes[i] * sizes[j]).reshape(sizes[i], sizes[j]) / self.weights.sum()

    def rake(self, sweeps: int) -> None:
        """Weight the rows until their tables agree with those that were counted."""
        for _ in range(sweeps):
            for place, target in zip(self.places, self.targets, strict=True):
                _rake(self.weights, place, target)

    def rows(self) -> np.ndarray:
        """As many rows as there are, each drawn as often as it weighs: cells, (columns, rows)."""
        n = len(self.weights)
        drawn = np.searchsorted(np.cumsum(self.weights) / self.weights.sum(), (np.arange(n) + 0.5) / n)
        return np.ascontiguousarray(self.cells[:, np.minimum(drawn, n - 1)])


def corrected(
    imagined: np.ndarray, cells: np.ndarray, margins: list[Margin], rows: int, rho: float, account: Account
) -> np.ndarray:
    """Correct imagined rows by tables of the data's cells, both (columns, rows): rows to learn from, (columns, rows)."""
    maps = [bins_of(margin, _FINE) for margin in margins]
    sizes = np.array([int(m.max()) + 1 for m in maps])
    held = [np.bincount(m, weights=margin.n) for m, margin in zip(maps, margins, strict=True)]
    data = PairTables(coded(cells, maps), sizes)
    population = Population(imagined, coded(imagined, maps), np.ones(imagined.shape[1]))
    for j, own in enumerate(held):
        population.places.append(population.codes[j].astype(np.int64))
        population.targets.append(own / own.sum())
    names = [margin.column.name for margin in margins]
    open_pairs = [(i, j) for i in range(len(margins)) for j in range(i + 1, len(margins)) if min(sizes[[i, j]]) > 1]
    wanted = min(len(open_pairs), round(_PAIRS_A_COLUMN * len(margins)))
    if not wanted:
        return population.rows()
    choice_rho, table_rho = _CHOICE_SHARE * rho / wanted, (1.0 - _CHOICE_SHARE) * rho / wanted
    scale = scale_of(table_rho, account.rows)
    most = max(int(_TOLD * 2.0 * rows / (0.8 * scale)), _FEWEST_CELLS)
    joins = {(i, j): _joins(held[i], held[j], margins[i], margins[j], maps[i], maps[j], most) for i, j in open_pairs}
    for picks in np.array_split(np.arange(wanted), min(_ROUNDS, wanted)):
        population.rake(_SWEEPS)
        apart = [_apart(data(i, j), rows * population.table(i, j, sizes), joins[i, j], scale) for i, j in open_pairs]
        for _ in picks:
            at = account.choice("pair told worst", names, np.array(apart), choice_rho)
            i, j = open_pairs.pop(at)
            apart.pop(at)
            _count(population, data(i, j), rows, sizes, (i, j), joins[i, j], held, table_rho, account, names)
    population.rake(_LAST_SWEEPS)
    return population.rows()


def _joins(a: np.ndarray, b: np.ndarray, one: Margin, two: Margin, at: np.ndarray, bt: np.ndarray, most: int):
    """Join fine bins of two columns until their table has at most so many cells: the finer column first."""
    wide, high = len(a), len(b)
    if wide * high > most:
        side = math.sqrt(most)
        wide, high = (
            (wide, most // wide) if wide <= side else (most // high, high) if high <= side else (int(side),) * 2
        )
    return _join(a, one, at, max(wide, 2)), _join(b, two, bt, max(high, 2))


def _join(held: np.ndarray, margin: Margin, fine: np.ndarray, most: int) -> np.ndarray:
    """Join fine bins: neighbours on the line into shares of equal size; of others the rarest into one."""
    if len(held) <= most:
        return np.arange(len(held))
    on_line = int(fine[margin.numbers - 1]) + 1 if margin.numbers else 0
    others = np.arange(on_line, len(held))
    alone = others[np.argsort(-held[others], kind="stable")][: max(most - (2 if on_line else 1), 0)]
    joined = np.zeros(len(held), np.int64)
    room = max(most - len(alone) - (len(alone) < len(others)), 1)
    if on_line:
        before = np.cumsum(held[:on_line]) - 0.5 * held[:on_line]
        joined[:on_line] = np.minimum(before / max(held[:on_line].sum(), 1e-9) * room, room - 1).astype(np.int64)
    joined[others] = room if on_line else 0
    joined[alone] = (room + 1 if on_line else 1) + np.arange(len(alone))
    return np.unique(joined, return_inverse=True)[1]


def _summed(table: np.ndarray, joins: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Sum a table of fine bins up to one of joined bins."""
    down, across = (np.eye(int(join.max()) + 1, dtype=table.dtype)[join] for join in joins)
    return np.asarray(down.T @ table @ across)


def _apart(data: np.ndarray, imagined: np.ndarray, joins: tuple[np.ndarray, np.ndarray], scale: float) -> float:
    """By how many rows two tables differ, beyond what noise alone would make of it."""
    differ = np.abs(_summed(data.astype(float), joins) - _summed(imagined, joins))
    return float(differ.sum() - math.sqrt(2.0 / math.pi) * scale * differ.size)


def _count(
    population: Population,
    data: np.ndarray,
    rows: int,
    sizes: np.ndarray,
    pair: tuple[int, int],
    joins: tuple[np.ndarray, np.ndarray],
    held: list[np.ndarray],
    rho: float,
    account: Account,
    names: list[str],
) -> None:
    """Count one pair under noise, and take its table as a target."""
    i, j = pair
    counts = _summed(data.astype(np.int64), joins)
    noisy = account.sums("pair", [names[i], names[j]], counts, rho).astype(float)
    expected = _summed(rows * population.table(i, j, sizes), joins)
    scale = account.releases[-1].scale
    differ = noisy - expected
    kept = max(0.0, 1.0 - differ.size * scale**2 / max(float((differ**2).sum()), 1e-12))
    shrunk = expected + kept * differ
    table = fitted(shrunk.reshape(-1), np.ones(shrunk.size), rows).reshape(shrunk.shape) + 1e-3
    margins = [np.bincount(join, weights=held[k]) for k, join in zip(pair, joins, strict=True)]
    for _ in range(_LAST_SWEEPS):
        table *= (margins[0] / table.sum(axis=1))[:, None]
        table *= margins[1] / table.sum(axis=0)
    codes = [join[population.codes[k]] for k, join in zip(pair, joins, strict=True)]
    population.places.append(codes[0] * table.shape[1] + codes[1])
    population.targets.append(table.reshape(-1) / table.sum())


@njit(nogil=True, cache=True)
def _rake(weights, place, target):
    held = np.zeros(target.size)
    for row in range(weights.size):
        held[place[row]] += weights[row]
    total = held.sum()
    for b in range(target.size):
        if held[b] > 0.0:
            held[b] = min(max(target[b] * total / held[b], 1.0 / _MOST_RATIO), _MOST_RATIO)
    for row in range(weights.size):
        weights[row] *= held[place[row]]
