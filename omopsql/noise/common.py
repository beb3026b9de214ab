"""One column of several models: cells that all sites' cells fit into, and how each site's are shared out among them.

Number lines are cut wherever a site cuts them. What a site tells of a wider cell lies evenly in its pieces, as it does
when that site's model is sampled. Where noise lets sites read texts differently (as labels, numbers or dates), the
column is what it is for most rows; the others' numbers count as labels without their text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from omopsql.synth import columns as c
from omopsql.synth.margins import Margin

from .margins import nearest_kept, others_kept, single, whole


@dataclass(frozen=True)
class Common:
    """A margin that is common to sites: ``shares`` has, for each, the shares of its cells in the common ones.

    Shares are (own cells, common cells), every line sums to 1. A site without the column has one cell: it is missing.
    """

    margin: Margin
    shares: list[np.ndarray]


def common(margins: Sequence[Margin | None], rows: Sequence[int]) -> Common:
    """Make the common margin of a column from those of sites of so many rows; None where a site does not tell it.

    All margins are of one type, and one of them at least is told.
    """
    told = [margin for margin in margins if margin is not None]
    alike = _alike(margins, rows)
    column = _column(alike)
    low, high = _pieces(alike, column.unit)
    labels = _labels(told)
    has_rest = any(
        margin.has_rest or (margin.numbers and _reading(margin.column) != _reading(column)) for margin in told
    )
    has_missing = len(told) < len(margins) or any(margin.has_missing for margin in told)
    wide = len(low) + len(labels) + has_rest + has_missing
    every = Margin(column, low, high, labels, has_rest, has_missing, np.zeros(wide, np.int64))
    shares = [_shares(every, margin) for margin in margins]
    held = [np.array([n]) if margin is None else margin.n for margin, n in zip(margins, rows, strict=True)]
    n = whole(np.sum([own @ into for own, into in zip(held, shares, strict=True)], axis=0), sum(rows))
    return _without_empty(replace(every, n=n), shares)


def _reading(column: c.Column) -> tuple[str, bool]:
    """What texts or numbers are taken for: the kind, and whether they are dates in a text."""
    return column.kind, column.decimals < 0


def _alike(margins: Sequence[Margin | None], rows: Sequence[int]) -> list[Margin]:
    """The margins that read the column as most rows are read."""
    held: dict[tuple[str, bool], int] = {}
    for margin, n in zip(margins, rows, strict=True):
        if margin is not None:
            held[_reading(margin.column)] = held.get(_reading(margin.column), 0) + n
    most = max(held, key=lambda reading: held[reading])
    return [margin for margin in margins if margin is not None and _reading(margin.column) == most]


def _column(alike: list[Margin]) -> c.Column:
    """What the column is: with the finest step that a site found, and none if one site found none."""
    return replace(
        alike[0].column,
        unit=min(margin.column.unit for margin in alike),
        decimals=max(margin.column.decimals for margin in alike),
        trimmed=any(margin.column.trimmed for margin in alike),
    )


def _bounds(margin: Margin, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the cells of a line begin and end; with a unit, a single value reaches half a step to either side."""
    if not unit:
        return margin.low, margin.high
    alone = 0.5 * unit * (margin.low == margin.high)
    low, high = (np.round(edge / unit - 0.5) for edge in (margin.low - alone, margin.high + alone))
    return (low + 0.5) * unit, (high + 0.5) * unit


def _pieces(alike: list[Margin], unit: float) -> tuple[np.ndarray, np.ndarray]:
    """The cells of the common line: single values, and the pieces between all edges that some site's cell covers."""
    bounds = [_bounds(margin, unit) for margin in alike]
    low, high = (np.concatenate([of_site[side] for of_site in bounds]) for side in (0, 1))
    atoms = np.unique(low[low == high])
    low, high = low[low < high], high[low < high]
    edges = np.unique(np.concatenate([low, high]))
    begun = np.searchsorted(np.sort(low), edges[:-1], "right")
    ended = np.searchsorted(np.sort(high), edges[:-1], "right")
    covered = begun > ended
    first, last = np.concatenate([atoms, edges[:-1][covered]]), np.concatenate([atoms, edges[1:][covered]])
    placed = np.lexsort([last, first])
    return first[placed], last[placed]


def _labels(told: list[Margin]) -> tuple[str, ...]:
    """The labels of all sites, by how many rows have them."""
    held: dict[str, int] = {}
    for margin in told:
        for label, n in zip(margin.labels, margin.n[margin.numbers :].tolist(), strict=False):
            held[label] = held.get(label, 0) + n
    return tuple(sorted(held, key=lambda label: (-held[label], label)))


def _shares(every: Margin, margin: Margin | None) -> np.ndarray:
    """The shares of one site's cells in the common ones."""
    if margin is None:
        only = np.zeros((1, len(every.n)))
        only[0, every.missing] = 1.0
        return only
    shares = np.zeros((len(margin.n), len(every.n)))
    if _reading(margin.column) != _reading(every.column):
        shares[: margin.numbers, every.rest] = 1.0
    elif margin.numbers:
        shares[: margin.numbers, : every.numbers] = _shares_of_line(every, *_bounds(margin, every.column.unit))
    place = {label: every.numbers + k for k, label in enumerate(every.labels)}
    others = [place[label] for label in margin.labels]
    others += [every.rest] * margin.has_rest + [every.missing] * margin.has_missing
    shares[margin.numbers + np.arange(len(others)), others] = 1.0
    return shares


def _shares_of_line(every: Margin, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    within = np.minimum(high[:, None], every.high) - np.maximum(low[:, None], every.low)
    shares = np.where((low == high)[:, None], (every.low == low[:, None]) & (every.high == low[:, None]), within)
    shares = np.maximum(shares, 0.0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _without_empty(every: Margin, shares: list[np.ndarray]) -> Common:
    """Leave out cells without a row; what little falls there goes to the nearest."""
    keep, on_line = every.n > 0, np.arange(len(every.n)) < every.numbers
    cell = nearest_kept(keep, on_line, every.n)
    low, high = every.low[keep[on_line]], every.high[keep[on_line]]
    if every.column.unit > 0.0:
        low, high = single(low, high, every.column.unit)
    kept = others_kept(every, keep[~on_line])
    found = []
    for of_site in shares:
        joined = np.zeros((int(keep.sum()), len(of_site)))
        np.add.at(joined, cell, of_site.T)
        found.append(joined.T)
    return Common(Margin(every.column, low, high, *kept, every.n[keep]), found)
