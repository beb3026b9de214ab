"""Tables of pairs of columns: in fine bins as the data have them, and in joined bins as they are told under noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from omopsql.synth.bins import bins_of, coded
from omopsql.synth.cell_sums import PairTables
from omopsql.synth.margins import Margin

from .margins import fitted
from .population import Population
from .tables import Joins, even, summed, summing_to, unhidden

_FINE = 24  # bins of a column in which pairs are compared at most
_TOLD = 0.05  # total variation that noise may add to a table: it has as many cells as that allows
_FEWEST_CELLS = 16


class Target(NamedTuple):
    """The shares that joined bins of two columns are to have, (down, across)."""

    i: int
    j: int
    down: np.ndarray
    across: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """The data's tables of pairs, not to be told as they are; all else about them is released or public.

    ``maps`` gives the fine bin of each cell of a column, ``sizes`` how many there are, ``held`` the rows in each, as
    released; ``rows`` how many rows the data have, as released.
    """

    margins: list[Margin]
    rows: int
    maps: list[np.ndarray]
    sizes: np.ndarray
    held: list[np.ndarray]
    data: PairTables

    @classmethod
    def counted(cls, cells: np.ndarray, margins: list[Margin], rows: int) -> Pairs:
        """Count the cells, (columns, rows)."""
        maps = [bins_of(margin, _FINE) for margin in margins]
        sizes = np.array([int(m.max()) + 1 for m in maps])
        held = [np.bincount(m, weights=margin.n) for m, margin in zip(maps, margins, strict=True)]
        return cls(margins, rows, maps, sizes, held, PairTables.counted(coded(cells, maps), sizes))

    @property
    def names(self) -> list[str]:
        """The columns."""
        return [margin.column.name for margin in self.margins]

    @property
    def each(self) -> list[tuple[int, int]]:
        """All pairs of columns."""
        width = len(self.margins)
        return [(i, j) for i in range(width) for j in range(i + 1, width)]

    @property
    def on_line(self) -> list[int]:
        """How many fine bins of each column are of its line: the first ones."""
        return [
            int(own[margin.numbers - 1]) + 1 if margin.numbers else 0
            for own, margin in zip(self.maps, self.margins, strict=True)
        ]

    def population(self, imagined: np.ndarray) -> Population:
        """Imagined rows, (columns, rows) of cells, with their fine bins."""
        imagined = imagined.astype(np.int32)
        return Population(imagined, coded(imagined, self.maps))

    def most_cells(self, scale: float) -> int:
        """How many cells a table may have whose cells are told with noise of this scale."""
        return max(int(_TOLD * 2.0 * self.rows / (0.8 * scale)), _FEWEST_CELLS)

    def join(self, k: int, most: int) -> np.ndarray:
        """Join fine bins of a column: neighbours on the line into equal shares; of others the rarest into one."""
        held, on_line = self.held[k], self.on_line[k]
        if len(held) <= most:
            return np.arange(len(held))
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

    def counts(self, i: int, j: int, joins: Joins) -> np.ndarray:
        """The data's table of two columns in joined bins: each row counts once."""
        return summed(self.data(i, j).astype(np.int64), joins)

    def expected(self, i: int, j: int, joins: Joins, population: Population) -> np.ndarray:
        """The table that a population has, for as many rows as the data have."""
        return summed(self.rows * population.table(i, j, self.sizes), joins)

    def apart(self, i: int, j: int, joins: Joins, population: Population, scale: float) -> float:
        """By how many rows data and population differ, beyond what noise alone would make of it.

        One row more or less in the data moves it by at most 1.
        """
        differ = np.abs(self.counts(i, j, joins) - self.expected(i, j, joins, population))
        return float(differ.sum() - math.sqrt(2.0 / math.pi) * scale * differ.size)

    def target(self, i: int, j: int, joins: Joins, noisy: np.ndarray, scale: float, population: Population) -> Target:
        """What a table is to be, given its noisy counts: as far from the expected as noise does not explain."""
        sums = [np.bincount(join, weights=self.held[k]) for k, join in zip((i, j), joins, strict=True)]
        likely = unhidden(noisy, self.expected(i, j, joins, population), even(*sums), scale)
        table = fitted(likely.reshape(-1), np.ones(likely.size), self.rows).reshape(likely.shape) + 1e-3
        table = summing_to(table, *sums)
        return Target(i, j, *joins, table / table.sum())
