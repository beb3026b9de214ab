"""The columns of two tables as distributions over the same bins, for plots.

No bin holds fewer than ten real rows, so that a page shows nothing of one person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.encode import label_codes
from omopsql.evaluate.sides import Doubles, Sides

MISSING = "missing"
LEAST = 10  # real rows of a bin
_BINS, _VALUES = 24, 12


@dataclass(frozen=True)
class Shares:
    """A column's distribution: its bins, and the share of each side's rows in each."""

    column: str
    bins: list[str]
    real: list[float]
    synthetic: list[float]


def shares(sides: Sides) -> Iterator[Shares]:
    """Yield the distribution of each column that can be shown: keys and free texts cannot."""
    for name in sides.columns:
        if name in sides.identifiers:
            continue
        is_label = name in sides.labels or name in sides.few_valued
        found = _of_labels(sides, name) if is_label else _of_numbers(sides, name)
        if found is not None:
            yield found


def _of_labels(sides: Sides, name: str) -> Shares | None:
    coded = label_codes(sides, name)
    counts = [np.bincount(codes, minlength=coded.size) for codes in coded.sides[:2]]
    named = [place for place in np.argsort(-counts[0], kind="stable")[:_VALUES] if counts[0][place] >= LEAST]
    if not named:
        return None
    values = label_values(sides, name, coded.size)
    if name in sides.numeric:  # numbers in their order, labels by how frequent they are
        named.sort(key=lambda place: float("inf") if values[place] == MISSING else float(values[place]))
    rows = [int(count.sum()) for count in counts]
    told = [[count[place] / total for place in named] for count, total in zip(counts, rows, strict=True)]
    bins = [values[place] for place in named]
    rest = int(rows[0] - counts[0][named].sum())
    if rest >= LEAST:
        bins.append("others")
        told = [[*shown, 1.0 - sum(shown)] for shown in told]
    return Shares(name, bins, *told)


def label_values(sides: Sides, name: str, size: int) -> list[str]:
    """Name the codes of ``label_codes``: the values of all sides in their order, then what is missing."""
    values = sorted(
        {value for side in sides.every for value in side.table[name].unique().cast("string").to_pylist()} - {None}
    )
    return [*map(str, values), MISSING][:size]


def _of_numbers(sides: Sides, name: str) -> Shares | None:
    real, synthetic = (side.numbers(name) for side in (sides.real, sides.synthetic))
    known = real[np.isfinite(real)]
    if known.size < 2 * LEAST:
        return None
    low, high = np.quantile(known, [0.005, 0.995])
    edges = _edges(known, np.unique(np.linspace(low, high, _BINS + 1)))
    if len(edges) < 1:
        return None
    told = []
    for numbers in (real, synthetic):
        place = np.searchsorted(edges, numbers[np.isfinite(numbers)], side="right")
        told.append((np.bincount(place, minlength=len(edges) + 1) / max(len(numbers), 1)).tolist())
    ends = [f"< {edges[0]:.4g}", *(f"{edge:.4g}" for edge in edges)]
    return Shares(name, ends, *told)


def _edges(known: Doubles, edges: Doubles) -> Doubles:
    """The edges between which enough real rows lie: below the first and above the last, too."""
    kept: list[float] = []
    ordered = np.sort(known)
    below = 0
    for edge in edges:
        upto = int(np.searchsorted(ordered, edge, side="left"))
        if upto - below >= LEAST and len(ordered) - upto >= LEAST:
            kept.append(float(edge))
            below = upto
    return np.array(kept)
