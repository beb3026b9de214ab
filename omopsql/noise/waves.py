"""All pairs of columns under noise, in one release: sums over rows of products of two columns' waves.

A wave is a function of a column's fine bins: cosines of ranks on the line, and one for each label. A row adds the
products of its waves, of all pairs at once. What it adds is bounded by the length of a column's waves; bins of rare
labels have theirs shortened, so that they do not set it. So hundreds of tables cost one release, whose noise grows with
the number of waves. What noise hides stays as the imagined rows say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from .links import Link, linked
from .mechanism import Account, scale_of
from .pairs import Pairs
from .population import Population, Wanted
from .tables import summing_to

_STEPS = 256  # of a wave: it is told in whole numbers
_TOLD = 0.13  # how far noise may move a table, as the root of chi-square over rows: so many waves are told
_MOST_COSINES = 14
_LEAST_LENGTH, _LEAST_SPREAD = 1e-2, 1e-6
_NEIGHBOURS = 3  # waves to either side that tell how strong a product is likely to be
_LEAST_SHARE = 0.05  # of what was expected: so much is left of a cell


@dataclass(frozen=True)
class Waves:
    """The waves of a column: ``told`` (bins, waves) in whole numbers, and ``even`` that have unit variances, unlinked.

    ``turned`` (waves, waves) makes even ones of those that are told; ``shares`` are those of the bins.
    """

    told: np.ndarray
    even: np.ndarray
    turned: np.ndarray
    shares: np.ndarray

    @property
    def longest(self) -> int:
        """The largest squared length of a bin's waves."""
        return int((self.told**2).sum(axis=1).max(initial=0))


def corrected(population: Population, pairs: Pairs, links: list[Link], rho: float, account: Account) -> np.ndarray:
    """Correct imagined rows by all pairs of the data's columns: the rows to learn from, (columns, rows).

    ``links`` are the pairs whose tables were counted outright.
    """
    waves = _told_waves(pairs, rho, account)
    if bound(waves) > 0.0:
        tables = {(i, j): table for i, j, table in _tables(population, pairs, waves, rho, account)}
        for link in links:
            tables[link.i, link.j] = linked(pairs, link, tables[link.i, link.j])
        population.agree([Wanted(i, j, table) for (i, j), table in tables.items()], pairs.sizes)
    return population.cells


def bound(waves: list[Waves]) -> float:
    """By how much a row moves the products of waves of all pairs in L2: those of a pair by both lengths' product."""
    longest = [of.longest for of in waves]
    squared = (sum(longest) ** 2 - sum(length**2 for length in longest)) // 2
    return math.nextafter(math.sqrt(squared), math.inf) if squared else 0.0


def products(pairs: Pairs, waves: list[Waves]) -> list[np.ndarray]:
    """The sums of products of waves of each pair of the data's columns, in the order of ``pairs.each``."""
    return [waves[i].told.T @ pairs.data(i, j).astype(np.int64) @ waves[j].told for i, j in pairs.each]


def _told_waves(pairs: Pairs, rho: float, account: Account) -> list[Waves]:
    """As many cosines as noise leaves worth telling."""
    waves = _waves(pairs, 1)
    for cosines in range(2, _MOST_COSINES + 1):
        finer = _waves(pairs, cosines)
        noise = scale_of(rho, bound(finer) * account.rows) / (pairs.rows * _STEPS**2)
        if noise * cosines > _TOLD:
            break
        waves = finer
    return waves


def _waves(pairs: Pairs, cosines: int) -> list[Waves]:
    return [waves_of(held, on_line, cosines) for held, on_line in zip(pairs.held, pairs.on_line, strict=True)]


def waves_of(held: np.ndarray, on_line: int, cosines: int) -> Waves:
    """Make the waves of a column whose bins hold so many rows, of which the first ``on_line`` are a line's."""
    shares = held + 1e-3 * max(held.sum(), 1.0) / len(held)
    shares = shares / shares.sum()
    functions = list(np.eye(len(shares))[on_line:])
    rank = (np.cumsum(shares) - 0.5 * shares)[:on_line] / max(shares[:on_line].sum(), 1e-12)
    functions += [np.append(np.cos(np.pi * q * rank), np.zeros(len(shares) - on_line)) for q in range(1, cosines + 1)]
    found = [np.ones(len(shares))]
    for function in functions if on_line else functions[:-cosines]:
        new = function
        for _ in range(2):  # twice, for the first leaves rounding
            new = new - np.array(found).T @ (np.array(found) @ (shares * new))
        length = math.sqrt(float(shares @ new**2))
        if length > _LEAST_LENGTH:
            found.append(new / length)
    free = np.array(found[1:]).reshape(-1, len(shares)).T
    lengths = np.maximum((free**2).sum(axis=1), 1e-12)
    told = np.rint(_STEPS * free * np.minimum(np.sqrt(free.shape[1] / lengths), 1.0)[:, None]).astype(np.int64)
    spread, axes = np.linalg.eigh((told.T / _STEPS * shares) @ (told / _STEPS))
    turned = (axes / np.sqrt(np.maximum(spread, _LEAST_SPREAD))) @ axes.T
    return Waves(told, told / _STEPS @ turned, turned, shares)


def _tables(
    population: Population, pairs: Pairs, waves: list[Waves], rho: float, account: Account
) -> list[tuple[int, int, np.ndarray]]:
    """The tables of all pairs that the imagined rows are to have, as shares."""
    exact = products(pairs, waves)
    flat = account.sums(
        "products of waves", pairs.names, np.concatenate([of.reshape(-1) for of in exact]), rho, bound(waves)
    )
    noise = account.releases[-1].scale / (pairs.rows * _STEPS**2)
    parts = np.split(flat / (pairs.rows * _STEPS**2), np.cumsum([of.size for of in exact])[:-1])
    return [
        (i, j, _table(part.reshape(of.shape), noise, waves[i], waves[j], population.table(i, j, pairs.sizes)))
        for (i, j), part, of in zip(pairs.each, parts, exact, strict=True)
    ]


def _table(told: np.ndarray, noise: float, one: Waves, two: Waves, expected: np.ndarray) -> np.ndarray:
    """A table of shares: as expected, and moved from there by what noise does not explain of the products."""
    differ = one.turned @ (told - one.told.T @ expected @ two.told / _STEPS**2) @ two.turned
    variance = noise**2 * float((one.turned**2).sum() * (two.turned**2).sum()) / max(differ.size, 1)
    table = expected + one.shares[:, None] * two.shares * (one.even @ _kept(differ, variance) @ two.even.T)
    least = _LEAST_SHARE * np.minimum(expected, one.shares[:, None] * two.shares) + 1e-9
    return summing_to(np.maximum(table, least), one.shares, two.shares)


def _kept(differ: np.ndarray, variance: float) -> np.ndarray:
    """Draw products to 0 the more, the more of their neighbours' size is noise. Source: N. Wiener's filter."""
    if not differ.size:
        return differ
    signal = np.maximum(uniform_filter(differ**2, _NEIGHBOURS, mode="nearest") - variance, 0.0)
    return np.asarray(differ * signal / (signal + variance))
