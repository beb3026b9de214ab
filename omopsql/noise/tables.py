"""Tables of two columns: from noisy counts of joined bins to shares of fine bins.

All of it is arithmetic on what is released, and costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_SWEEPS = 40
_ROUNDS = 20  # until the variance of differences stands still
_APART = 0.1  # of the rows that a cell is expected to hold: as if its columns were unlinked
_TURNS = 2  # of joined cells and margins: more change nothing


class Joins(NamedTuple):
    """The joined bin of each fine bin, of two columns."""

    down: np.ndarray
    across: np.ndarray


def even(down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """The table of two columns of such sums that have nothing to do with each other."""
    return np.outer(down, across) / max(float(down.sum()), 1e-12)


def unhidden(noisy: np.ndarray, expected: np.ndarray, apart: np.ndarray, scale: float) -> np.ndarray:
    """Move expected counts towards noisy ones, each cell as far as noise of this scale does not explain.

    What a cell truly differs by has a variance in proportion to its expected rows. So noise in cells that hold little
    is drawn to what was expected, and cells that hold much keep what they tell. A small part of the rows is expected as
    in ``apart``, the table of unlinked columns: no cell is out of reach. The proportion follows from all cells, by
    moments weighted by precision. Source: C. Morris, J. Am. Stat. Assoc. 78 (1983) 47-55.
    """
    likely = np.maximum((1.0 - _APART) * expected + _APART * apart, 1e-9)
    differ, variance = noisy - expected, 0.0
    for _ in range(_ROUNDS):
        weight = likely / (variance * likely + scale**2) ** 2
        variance = max(float(((differ**2 - scale**2) * weight).sum() / (likely * weight).sum()), 0.0)
    return np.asarray(expected + differ * variance * likely / (variance * likely + scale**2))


def nearest_with_sums(table: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """The table nearest to one, none of its cells below 0, whose rows and columns sum to what they are to.

    Source: alternating projections with the correction of R. L. Dykstra, J. Am. Stat. Assoc. 78 (1983) 837-842.
    """
    found, first, second = table, np.zeros(table.shape), np.zeros(table.shape)
    for _ in range(_SWEEPS):
        rows = _with_row_sums(found + first, down)
        first = found + first - rows
        found = _with_row_sums((rows + second).T, across).T
        second = rows + second - found
    return found


def _with_row_sums(table: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """The nearest table, none of its cells below 0, with such sums of rows: each cell less one number a row."""
    falling = -np.sort(-table, axis=1)
    excess = (np.cumsum(falling, axis=1) - sums[:, None]) / np.arange(1, table.shape[1] + 1)
    last = np.maximum((falling > excess).sum(axis=1) - 1, 0)
    return np.asarray(np.maximum(table - np.take_along_axis(excess, last[:, None], axis=1), 0.0))


def summing_to(table: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Weight the rows and columns of a table, all above 0, until they sum to what they are to."""
    for _ in range(_SWEEPS):
        table = table * (down / table.sum(axis=1))[:, None]
        table *= across / table.sum(axis=0)
    return table


def summed(table: np.ndarray, joins: Joins) -> np.ndarray:
    """Sum a table of fine bins up to one of joined bins."""
    down, across = (np.eye(int(join.max()) + 1, dtype=table.dtype)[join] for join in joins)
    return np.asarray(down.T @ table @ across)


def spread_over(table: np.ndarray, joins: Joins) -> np.ndarray:
    """The value of its joined cell in each fine cell."""
    return np.asarray(table[joins.down[:, None], joins.across[None]])


def spread_smoothly(
    joined: np.ndarray, joins: Joins, within: np.ndarray, held: list[np.ndarray], on_line: list[int]
) -> np.ndarray:
    """Spread the shares of joined cells over fine ones: as they lie in ``within``, and with the margins ``held``.

    By how much a joined cell is to have more than it has there is true of its middle; between the middles of joined
    bins of a line, the first bins, it goes over from one to the other, and straight on beyond the outer ones. Steps
    would tell of links that are not there.
    """
    middles = [_between(*of) for of in zip(held, joins, on_line, strict=True)]
    more = np.log(np.maximum(joined, 1e-9) / summed(within, joins))
    table = within * np.exp(middles[0] @ more @ middles[1].T)
    for _ in range(_TURNS):
        table = table * spread_over(joined / np.maximum(summed(table, joins), 1e-15), joins) + 1e-12
        table = summing_to(table, *held)
    return table


def _between(held: np.ndarray, join: np.ndarray, on_line: int) -> np.ndarray:
    """What the middle of each joined bin tells each fine one, (fine bins, joined bins); each row sums to 1."""
    told = np.eye(int(join.max()) + 1)[join]
    line, own = held[:on_line] + 1e-9, join[:on_line]
    if on_line and own[-1]:
        rank = np.cumsum(line) - 0.5 * line
        middle = np.bincount(own, weights=line * rank) / np.bincount(own, weights=line)
        after = np.clip(np.searchsorted(middle, rank, "right"), 1, len(middle) - 1)
        at = (rank - middle[after - 1]) / (middle[after] - middle[after - 1])
        told[:on_line] = 0.0
        told[np.arange(on_line), after - 1] = 1.0 - at
        told[np.arange(on_line), after] += at
    return told
