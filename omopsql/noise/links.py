"""The pairs of columns that imagined rows tell worst: their tables are counted outright.

Where one column follows from another, a table of the two has few cells that hold rows, and they stand far above the
noise. Scores and waves would need many products to tell as much. Which pairs these are is chosen under noise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .mechanism import Account, scale_of
from .pairs import Joins, Pairs, nearest_with_sums, spread_over, summed, summing_to
from .population import Population

_CHOICE_SHARE = 0.12  # of rho, for all choices together; the tables get what is left
_MOST_PAIRS = 36
_ROWS_OF_NOISE = 1.0  # of noise: a cell of average size holds so many rows
_FEWEST_BINS = 4
_LEAST_SHARE = 0.01  # of what was expected: so much is left of a cell
_EVEN = 0.01  # of a joined cell lies in its fine bins as if columns were independent


class Link(NamedTuple):
    """A pair of columns whose table was counted: in joined bins, (down, across), with noise of such a scale."""

    i: int
    j: int
    joins: Joins
    noisy: np.ndarray
    scale: float


def worst_told(population: Population, pairs: Pairs, rho: float, account: Account) -> list[Link]:
    """Choose the pairs of the data's columns that a population tells worst, and count their tables."""
    many = min(_MOST_PAIRS, len(pairs.each))
    choice_rho = _CHOICE_SHARE * rho if many < len(pairs.each) else 0.0
    scale = scale_of(rho - choice_rho, math.sqrt(many) * account.rows)
    joins = [_joins(pairs, i, j, pairs.rows / (_ROWS_OF_NOISE * scale)) for i, j in pairs.each]
    chosen = list(range(many)) if choice_rho == 0.0 else _chosen(population, pairs, joins, many, choice_rho, account)
    counts = [pairs.counts(*pairs.each[k], joins[k]) for k in chosen]
    flat = np.concatenate([of.reshape(-1) for of in counts])
    noisy = account.sums("tables of pairs", pairs.names, flat, rho - choice_rho, math.sqrt(many))
    scale = account.releases[-1].scale
    parts = np.split(noisy.astype(float), np.cumsum([of.size for of in counts])[:-1])
    return [
        Link(*pairs.each[k], joins[k], part.reshape(of.shape), scale)
        for k, part, of in zip(chosen, parts, counts, strict=True)
    ]


def _chosen(
    population: Population, pairs: Pairs, joins: list[Joins], many: int, rho: float, account: Account
) -> list[int]:
    """Choose so many pairs, one after the other: a row moves what a pair is missed by, by at most 1."""
    missed = np.array([pairs.misses(i, j, of, population) for (i, j), of in zip(pairs.each, joins, strict=True)])
    left, chosen = list(range(len(missed))), []
    for _ in range(many):
        chosen.append(left.pop(account.choice("pair told worst", pairs.names, missed[left], rho / many)))
    return chosen


def _joins(pairs: Pairs, i: int, j: int, cells: float) -> Joins:
    """How the fine bins of two columns are joined to a table of about so many cells."""
    side = max(int(math.sqrt(cells)), _FEWEST_BINS)
    down = min(int(pairs.sizes[i]), max(side, int(cells / pairs.sizes[j])))
    across = min(int(pairs.sizes[j]), max(side, int(cells / pairs.sizes[i])))
    return Joins(pairs.join(i, down), pairs.join(j, across))


def linked(pairs: Pairs, link: Link, likely: np.ndarray) -> np.ndarray:
    """The table that a linked pair is to have, as shares of fine bins: as is likely, and moved from there.

    ``likely`` is moved by what noise does not explain of the counts, to the nearest table that has the margins.
    """
    joins, held = link.joins, [pairs.held[k] / max(pairs.held[k].sum(), 1e-12) for k in (link.i, link.j)]
    expected = summed(pairs.rows * likely, joins)
    differ = link.noisy - expected
    kept = max(0.0, 1.0 - differ.size * link.scale**2 / max(float((differ**2).sum()), 1e-12))
    sums = [pairs.rows * np.bincount(join, weights=of) for join, of in zip(joins, held, strict=True)]
    joined = nearest_with_sums(expected + kept * differ, *sums)
    joined = np.maximum(joined, _LEAST_SHARE * expected) / pairs.rows
    within = likely + _EVEN * np.outer(*held) + 1e-9
    table = within * spread_over(joined / summed(within, joins), joins)
    least = [np.maximum(of, 1e-6) for of in held]
    return summing_to(table + 1e-12, *(of / of.sum() for of in least))
