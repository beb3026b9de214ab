"""The latents of a table: which standard normal variables a copula draws, and which cells each of them decides.

A column has a latent for its value. Cells that stand apart from the values (missing ones; labels or the rest beside a
number line) are decided by a latent of their own, the gate: it says "has a value", or which of those cells. Columns
whose gates agree in every row share one gate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .bins import bins_of
from .margins import Margin

MOST_BINS = 20  # of a long number line: 12 to 28 do about as well, more make thin tables
MOST_ALONE = 32  # a column of no more cells keeps each as a bin

SharedGate = dict[int, tuple[int, ...]]  # column -> the cells that its gate decides, in the order of the first column


@dataclass(frozen=True)
class Latent:
    """One latent: the states that it decides, how many rows each has, and how they lie on its line.

    ``column`` is the (first) column that it serves; ``cells`` the margin cell of each state, -1 for "has a value";
    ``bins`` the coarse bin of each state, without gaps from 0; ``order`` the bins from low to high z.
    """

    column: int
    cells: np.ndarray
    n: np.ndarray
    bins: np.ndarray
    order: np.ndarray
    is_line: bool

    @property
    def is_gate(self) -> bool:
        """Whether it decides if there is a value."""
        return bool(self.cells[0] < 0)

    @cached_property
    def bin_rows(self) -> np.ndarray:
        """Rows of each bin."""
        return np.bincount(self.bins, weights=self.n)

    @cached_property
    def bin_probabilities(self) -> np.ndarray:
        """Probability of each bin, given that the latent is asked at all."""
        rows = np.maximum(self.bin_rows, 1e-9)
        return rows / rows.sum()

    @cached_property
    def by_rank(self) -> np.ndarray:
        """The states from low to high z."""
        place = np.argsort(self.order)
        return np.argsort(place[self.bins], kind="stable")

    def ordered(self, order: np.ndarray) -> Latent:
        """The same latent with its bins in another order."""
        return replace(self, order=np.asarray(order, np.int64))

    @property
    def edges(self) -> np.ndarray:
        """Where the states lie along the latent, (states + 1,): those of its b-th bin, by order, cover b to b + 1."""
        share = self._share_of_bin[self.by_rank]
        place = np.argsort(self.order)[self.bins][self.by_rank]
        within = np.cumsum(share)
        upper = np.where(np.diff(place, append=-1) != 0, place + 1.0, within)
        return np.concatenate([[0.0], np.maximum.accumulate(np.minimum(upper, place + 1.0))])

    @property
    def _share_of_bin(self) -> np.ndarray:
        rows = np.maximum(self.n, 1e-9)
        return rows / np.bincount(self.bins, weights=rows)[self.bins]

    def thresholds(self, probabilities: np.ndarray) -> np.ndarray:
        """Cumulative probabilities of the states by rank, (strata, states + 1), from those of bins, (strata, bins)."""
        return cumulative((probabilities[:, self.bins] * self._share_of_bin)[:, self.by_rank])

    def bin_thresholds(self, probabilities: np.ndarray) -> np.ndarray:
        """Cumulative probabilities of the bins by order, (strata, bins + 1), from their own, (strata, bins)."""
        return cumulative(probabilities[:, self.order])


@dataclass(frozen=True)
class Latents:
    """All latents of a table, and how its columns ask them.

    ``gate`` and ``value`` hold each column's latents by number (gate -1: the column has no cells apart); ``n`` and
    ``bins`` the rows and the coarse bin of each cell of a column; ``gate_cells`` the cell of each state of its gate.
    """

    each: tuple[Latent, ...]
    gate: np.ndarray
    value: np.ndarray
    n: tuple[np.ndarray, ...]
    bins: tuple[np.ndarray, ...]
    gate_cells: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.each)

    def ordered(self, orders: dict[int, np.ndarray]) -> Latents:
        """The same latents, some with their bins in another order."""
        each = tuple(latent.ordered(orders[k]) if k in orders else latent for k, latent in enumerate(self.each))
        return replace(self, each=each)

    def counted(self, cells: np.ndarray) -> Latents:
        """The same latents with the rows of other cells, (columns, rows)."""
        n = tuple(np.bincount(cells[j], minlength=len(bins)) for j, bins in enumerate(self.bins))
        each = tuple(replace(latent, n=_state_rows(latent.cells, n[latent.column])) for latent in self.each)
        return replace(self, each=each, n=n)

    def latent(self, column: int, kind: int) -> int:
        """The number of a column's gate (``kind`` 0) or value (1)."""
        return int(self.gate[column] if kind == 0 else self.value[column])

    def asked_by(self, column: int) -> list[int]:
        """The latents of a column: its gate, where it has one, and its value."""
        return [int(k) for k in (self.gate[column], self.value[column]) if k >= 0]

    def bin_rows(self, column: int) -> np.ndarray:
        """Rows of each coarse bin of a column."""
        return np.bincount(self.bins[column], weights=self.n[column])

    def guard(self, k: int) -> int:
        """The gate behind which latent ``k`` stands, or -1."""
        return -1 if self.each[k].is_gate else int(self.gate[self.each[k].column])

    def states(self, k: int) -> np.ndarray:
        """The state of latent ``k`` in each cell of its column; -1 where a cell leaves it undefined."""
        latent = self.each[k]
        state = np.full(len(self.bins[latent.column]), 0 if latent.is_gate else -1, np.int64)
        state[latent.cells[latent.cells >= 0]] = np.flatnonzero(latent.cells >= 0)
        return state

    def coarse_states(self, k: int) -> np.ndarray:
        """1 + the bin of latent ``k`` in each cell of its column; 0 where a cell leaves it undefined."""
        state = self.states(k)
        return np.where(state >= 0, self.each[k].bins[state] + 1, 0)

    def bin_of_column_bin(self, k: int, column: int) -> np.ndarray:
        """The bin of latent ``k`` in each coarse bin of ``column``, which asks it; -1 where it is undefined."""
        latent, bins = self.each[k], self.bins[column]
        found = np.full(int(bins.max()) + 1, 0 if latent.is_gate else -1, np.int64)
        cells = self.gate_cells[column] if latent.is_gate else latent.cells
        found[bins[cells[cells >= 0]]] = latent.bins[cells >= 0]
        return found


def cumulative(shares: np.ndarray) -> np.ndarray:
    """Sum shares up along the last axis, from 0 to exactly 1: (..., shares + 1)."""
    summed = np.cumsum(shares, axis=-1)
    return np.concatenate([np.zeros((*summed.shape[:-1], 1)), summed / summed[..., -1:]], axis=-1)


def row_counts(margin: Margin, rows: int) -> np.ndarray:
    """Rows of each cell of a margin, those counted in that had no released cell of their own (see ``encode``)."""
    n = margin.n.copy()
    n[np.argmax(margin.n)] += rows - n.sum()
    return n


def coarse_bins(margin: Margin) -> np.ndarray:
    """The coarse bin of each cell: every cell its own while they are few."""
    return bins_of(margin, MOST_ALONE if len(margin.n) <= MOST_ALONE else MOST_BINS)


def apart(margin: Margin) -> tuple[int, ...]:
    """The cells that stand apart from a column's values: missing ones, and all that are beside a number line."""
    if margin.numbers:
        return tuple(range(margin.numbers, len(margin.n)))
    return (margin.missing,) if margin.has_missing and len(margin.n) > 1 else ()


def latents_of(margins: list[Margin], rows: int, shared: list[SharedGate]) -> Latents:
    """Give each column its latents: a gate where cells stand apart, unless it shares one, and a value."""
    each: list[Latent] = []
    n = tuple(row_counts(margin, rows) for margin in margins)
    bins = tuple(coarse_bins(margin) for margin in margins)
    gate, gate_cells = np.full(len(margins), -1, np.int64), []
    value = np.empty(len(margins), np.int64)
    for j, margin in enumerate(margins):
        together = next((group for group in shared if j in group), {j: apart(margin)})
        cells = np.array((-1, *together[j]), np.int64)
        if len(cells) > 1:
            owner = min(together)
            gate[j] = gate[owner] if owner < j else len(each)
            if owner == j:
                each.append(_gate(j, cells, n[j], bins[j]))
        gate_cells.append(cells)
        value[j] = len(each)
        each.append(_value(j, np.setdiff1d(np.arange(len(n[j])), cells), n[j], bins[j], margin))
    return Latents(tuple(each), gate, value, n, bins, tuple(gate_cells))


def _state_rows(cells: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Rows of each state of a latent, from those of its column's cells; -1 stands for all other cells."""
    rows = np.where(cells >= 0, n[cells], 0)
    rows[cells < 0] = n.sum() - rows.sum()
    return rows


def _gate(column: int, cells: np.ndarray, n: np.ndarray, column_bins: np.ndarray) -> Latent:
    bins = np.concatenate([[0], 1 + np.unique(column_bins[cells[1:]], return_inverse=True)[1]])
    return Latent(column, cells, _state_rows(cells, n), bins, np.arange(bins.max() + 1), is_line=False)


def _value(column: int, cells: np.ndarray, n: np.ndarray, column_bins: np.ndarray, margin: Margin) -> Latent:
    bins = np.unique(column_bins[cells], return_inverse=True)[1]
    is_line = margin.numbers > MOST_ALONE or bool((margin.low != margin.high).any())
    return Latent(column, cells, n[cells], bins, np.arange(bins.max() + 1), is_line)
