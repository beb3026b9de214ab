"""The pairs of columns that imagined rows tell worst: their tables are counted outright.

Where one column follows from another, a table of the two has few cells that hold rows, and they stand far above the
noise. Scores and waves would need many products to tell as much. Which pairs these are, and in how many cells each is
counted, is chosen under noise: a cell more tells more of a pair, and adds its noise. After: R. McKenna and others, AIM,
VLDB 2022.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .mechanism import Account, scale_of
from .pairs import Pairs
from .population import Population, Wanted
from .tables import Joins, even, nearest_with_sums, spread_smoothly, summed, unhidden

_CHOICE_SHARE = 0.1  # of rho, for all choices together; the tables get what is left
_CELLS = (16, 36, 64, 100, 160, 260, 400, 576)  # of a table: so finely a pair may be told
_FEWEST_BINS = 4
_DROWNED = 0.1  # rows that a cell must add to what a pair is missed by, for each of the noise: most is drawn away
_BY_CHANCE = 0.56  # of the root of a cell's expected rows
_LEAST_SHARE = 0.01  # of what was expected: so much is left of a cell
_UNTOLD = 0.15  # of the weight of a pair that was counted: that of one that stays as it was imagined
_EVEN = 0.01  # of a joined cell lies in its fine bins as if columns were independent


class Link(NamedTuple):
    """A pair of columns whose table was counted: in joined bins, (down, across), with noise of such a scale."""

    i: int
    j: int
    joins: Joins
    noisy: np.ndarray
    scale: float


class Offer(NamedTuple):
    """A pair of columns, the ``k``-th of all, in joined bins; ``missed`` says by how many rows a population misses it.

    It is not to be told as it is.
    """

    k: int
    joins: Joins
    missed: float


def worst_told(population: Population, pairs: Pairs, most: int, rho: float, account: Account) -> list[Link]:
    """Choose so many pairs of the data's columns, those that a population tells worst, and count their tables.

    Each is offered in coarse and in fine bins: fine ones tell more, and more of that is noise.
    """
    many = min(most, len(pairs.each))
    choice_rho = _CHOICE_SHARE * rho
    sensitivity = math.sqrt(many)
    scale = scale_of(rho - choice_rho, sensitivity * account.rows)
    offers = [offer for k in range(len(pairs.each)) for offer in _offers(population, pairs, k, scale)]
    chosen = _chosen(pairs, offers, many, choice_rho, account)
    counts = [pairs.counts(*pairs.each[of.k], of.joins) for of in chosen]
    flat = np.concatenate([of.reshape(-1) for of in counts])
    noisy = account.sums("tables of pairs", pairs.names, flat, rho - choice_rho, sensitivity)
    scale = account.releases[-1].scale
    parts = np.split(noisy.astype(float), np.cumsum([of.size for of in counts])[:-1])
    return [
        Link(*pairs.each[of.k], of.joins, part.reshape(table.shape), scale)
        for of, part, table in zip(chosen, parts, counts, strict=True)
    ]


def _offers(population: Population, pairs: Pairs, k: int, scale: float) -> list[Offer]:
    """A pair in coarse and in fine bins: by how many rows it is missed, beyond what chance and noise would make of it.

    One row more or less in the data moves that by at most 1.
    """
    i, j = pairs.each[k]
    fine = pairs.data(i, j).astype(np.int64)
    likely = pairs.rows * population.table(i, j, pairs.sizes)
    offers: dict[tuple[int, ...], Offer] = {}
    for cells in _CELLS:
        joins = _joins(pairs, i, j, cells)
        expected = summed(likely, joins)
        if expected.shape not in offers:
            differ = float(np.abs(summed(fine, joins) - expected).sum())
            drowned = _DROWNED * scale * expected.size + _BY_CHANCE * float(np.sqrt(expected).sum())
            offers[expected.shape] = Offer(k, joins, differ - drowned)
    return list(offers.values())


def _chosen(pairs: Pairs, offers: list[Offer], many: int, rho: float, account: Account) -> list[Offer]:
    """Choose so many pairs, one after the other: the offer of each that noise leaves the largest."""
    missed, of_pair = np.array([of.missed for of in offers]), np.array([of.k for of in offers])
    left, chosen = np.arange(len(offers)), []
    for _ in range(many):
        chosen.append(offers[left[account.choice("pair told worst", pairs.names, missed[left], rho / many)]])
        left = left[of_pair[left] != chosen[-1].k]
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
    joins, held = link.joins, [np.maximum(pairs.held[k] / max(pairs.held[k].sum(), 1e-12), 1e-6) for k in link[:2]]
    held = [of / of.sum() for of in held]
    expected = summed(pairs.rows * likely, joins)
    sums = [pairs.rows * np.bincount(join, weights=of) for join, of in zip(joins, held, strict=True)]
    joined = nearest_with_sums(unhidden(link.noisy, expected, even(*sums), link.scale), *sums)
    joined = np.maximum(joined, _LEAST_SHARE * expected) / pairs.rows
    within = likely + _EVEN * np.outer(*held) + 1e-9
    return spread_smoothly(joined, joins, within, held, [pairs.on_line[k] for k in link[:2]])


def agreeing(population: Population, pairs: Pairs, links: list[Link]) -> np.ndarray:
    """Let imagined rows agree with the tables that were counted: the rows to learn from, (columns, rows).

    All other pairs are to stay as they are, but count for less.
    """
    tables = {(i, j): population.table(i, j, pairs.sizes) for i, j in pairs.each}
    wanted = {pair: Wanted(*pair, table, _UNTOLD) for pair, table in tables.items()}
    for link in links:
        pair = link.i, link.j
        wanted[pair] = Wanted(*pair, linked(pairs, link, tables[pair]))
    population.agree(list(wanted.values()), pairs.sizes)
    return population.cells
