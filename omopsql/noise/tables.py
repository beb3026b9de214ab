"""Pairs of columns under noise: those that the copula tells worst are chosen, counted and put right, round by round.

The copula imagines a population. In each round the pairs whose tables differ most from the data's are chosen by noisy
maximum and counted under noise, and imagined rows are changed until their tables agree with what was counted. What is
learned in the end is that population. Sources: R. McKenna and others, AIM, VLDB 2022 (choosing what the model tells
worst); Z. Zhang and others, PrivSyn, USENIX Security 2021 (changing rows gradually).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numba import njit

from omopsql.synth.bins import bins_of, coded
from omopsql.synth.cell_sums import PairTables
from omopsql.synth.margins import Margin

from .margins import fitted
from .mechanism import Account, scale_of

_FINE = 24  # bins of a column in which pairs are compared at most
_CHOICE_SHARE = 0.15  # of rho
_ROUNDS = 6
_PAIRS_A_COLUMN = 2.0  # that are counted
_TOLD = 0.05  # total variation that noise may add to a table: it has as many cells as that allows
_FEWEST_CELLS = 16
_WHOLE = 8  # of so many changed rows one becomes a copy: more copies make the population uniform
_SWEEPS, _LAST_SWEEPS = 10, 40
_FIRST_STEP, _SLOWER, _LEAST_STEP = 1.0, 0.93, 0.1


@dataclass
class Population:
    """Imagined rows, by their cells, (columns, rows), their fine bins, and the tables that they are to agree with."""

    cells: np.ndarray
    codes: np.ndarray
    targets: list[Target] = field(default_factory=list)

    def table(self, i: int, j: int, sizes: np.ndarray) -> np.ndarray:
        """Shares of two columns' fine bins."""
        at = self.codes[i].astype(np.int64) * sizes[j] + self.codes[j]
        return np.bincount(at, minlength=sizes[i] * sizes[j]).reshape(sizes[i], sizes[j]) / len(at)

    def agree(self, sweeps: int) -> None:
        """Change as few rows as it takes until the tables agree with those that were counted."""
        for sweep in range(sweeps):
            step = max(_FIRST_STEP * _SLOWER**sweep, _LEAST_STEP)
            for number, of in enumerate(self.targets):
                seed = 1 + 1000 * sweep + number
                _move(self.cells, self.codes, of.i, of.j, of.down, of.across, of.shares, step, seed)


class Target(NamedTuple):
    """The shares that joined bins of two columns are to have, (down, across)."""

    i: int
    j: int
    down: np.ndarray
    across: np.ndarray
    shares: np.ndarray


def corrected(
    imagined: np.ndarray, cells: np.ndarray, margins: list[Margin], rows: int, rho: float, account: Account
) -> np.ndarray:
    """Correct imagined rows by tables of the data's cells, both (columns, rows): the rows to learn from."""
    maps = [bins_of(margin, _FINE) for margin in margins]
    sizes = np.array([int(m.max()) + 1 for m in maps])
    held = [np.bincount(m, weights=margin.n) for m, margin in zip(maps, margins, strict=True)]
    data = PairTables.counted(coded(cells, maps), sizes)
    imagined = imagined.astype(np.int32)
    population = Population(imagined, coded(imagined, maps))
    names = [margin.column.name for margin in margins]
    open_pairs = [(i, j) for i in range(len(margins)) for j in range(i + 1, len(margins)) if min(sizes[[i, j]]) > 1]
    wanted = min(len(open_pairs), round(_PAIRS_A_COLUMN * len(margins)))
    if not wanted:
        return population.cells
    choice_rho, table_rho = _CHOICE_SHARE * rho / wanted, (1.0 - _CHOICE_SHARE) * rho / wanted
    scale = scale_of(table_rho, account.rows)
    most = max(int(_TOLD * 2.0 * rows / (0.8 * scale)), _FEWEST_CELLS)
    joins = {(i, j): _joins(held[i], held[j], margins[i], margins[j], maps[i], maps[j], most) for i, j in open_pairs}
    for picks in np.array_split(np.arange(wanted), min(_ROUNDS, wanted)):
        population.agree(_SWEEPS)
        apart = [_apart(data(i, j), rows * population.table(i, j, sizes), joins[i, j], scale) for i, j in open_pairs]
        for _ in picks:
            at = account.choice("pair told worst", names, np.array(apart), choice_rho)
            i, j = open_pairs.pop(at)
            apart.pop(at)
            _count(population, data(i, j), rows, sizes, (i, j), joins[i, j], held, table_rho, account, names)
    population.agree(_LAST_SWEEPS)
    return population.cells


def _joins(
    a: np.ndarray, b: np.ndarray, one: Margin, two: Margin, at: np.ndarray, bt: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
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
    population.targets.append(Target(i, j, *joins, table / table.sum()))


@njit(nogil=True, cache=True)
def _move(cells, codes, i, j, down, across, shares, step, seed):  # noqa: C901
    """Bring a table of two columns nearer to its target by a step.

    Rows of bins that hold too many become rows of bins that hold too few, mostly in these two columns alone, so that
    the rest of the row is kept; now and then as a copy of a whole row there.
    """
    np.random.seed(seed)
    columns, rows = cells.shape
    wide = shares.shape[1]
    bins = np.empty(rows, np.int64)
    held = np.zeros(shares.size, np.int64)
    for row in range(rows):
        bins[row] = down[codes[i, row]] * wide + across[codes[j, row]]
        held[bins[row]] += 1
    begin = np.zeros(shares.size + 1, np.int64)
    begin[1:] = np.cumsum(held)
    members, at = np.empty(rows, np.int64), begin[:-1].copy()
    for row in range(rows):
        members[at[bins[row]]] = row
        at[bins[row]] += 1
    excess = held - shares.copy().reshape(-1) * rows
    freed = np.empty(rows, np.int64)
    count = 0
    for b in range(shares.size):
        if excess[b] > 0.0:
            own = members[begin[b] : begin[b + 1]]
            take = min(int(excess[b] * step + np.random.random()), own.size)
            for k in range(take):
                other = k + np.random.randint(own.size - k)
                own[k], own[other] = own[other], own[k]
                freed[count] = own[k]
                count += 1
    for k in range(count):
        other = k + np.random.randint(count - k)
        freed[k], freed[other] = freed[other], freed[k]
    used = 0
    for b in range(shares.size):
        if excess[b] >= 0.0:
            continue
        need = int(-excess[b] * step + np.random.random())
        for k in range(need):
            if used >= count:
                return
            row = freed[used]
            used += 1
            if held[b] > 0:
                donor = members[begin[b] + np.random.randint(held[b])]
                if k % _WHOLE == 0:
                    for c in range(columns):
                        cells[c, row], codes[c, row] = cells[c, donor], codes[c, donor]
                else:
                    cells[i, row], codes[i, row] = cells[i, donor], codes[i, donor]
                    cells[j, row], codes[j, row] = cells[j, donor], codes[j, donor]
            else:
                first, second = _donors(codes[i], down, b // wide), _donors(codes[j], across, b % wide)
                if first >= 0 and second >= 0:
                    cells[i, row], codes[i, row] = cells[i, first], codes[i, first]
                    cells[j, row], codes[j, row] = cells[j, second], codes[j, second]


@njit(nogil=True, cache=True)
def _donors(codes, join, wanted):
    """A row of a joined bin, found at random; -1 where many tries find none."""
    for _ in range(1000):
        row = np.random.randint(codes.size)
        if join[codes[row]] == wanted:
            return row
    return -1
