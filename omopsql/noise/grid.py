"""Number lines on public grids: where a column's numbers lie, and the cells that they are counted in.

The grid of places is fixed: a year each for dates, and for other numbers one place for each power of two, on either
side of zero. Inside the places that hold rows, cells are cut as fine as the noise allows. Nothing here reads data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEAST_POWER, MOST_POWER = -20, 40  # of two; smaller numbers count as nothing, larger ones as the largest
_POWERS = MOST_POWER - LEAST_POWER
_FIRST_YEAR, _YEARS = 1900, 200
_DAYS = 365.2425
_YEAR_OF_EPOCH = 1970
_CLEAR = 4.2  # standard deviations: a place that holds so many rows is no mere noise
_NEAR, _GAP = 2.0, 2  # so many suffice within so many places of one that holds rows
_FEW_UNITS = 8  # numbers of so few steps beside those that hold rows are always counted: it costs few cells
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Places:
    """The public places of a line: ``edges`` from the lowest to the highest, one more than there are places."""

    edges: np.ndarray

    def __len__(self) -> int:
        return len(self.edges) - 1


def places_of(base: str) -> Places:
    """The places of a DuckDB type: years for moments, the only ones of booleans and times, powers of two else."""
    if base == "BOOLEAN":
        return Places(np.array([-0.5, 0.5, 1.5]))
    if base == "TIME":
        return Places(np.array([0.0, DAY_SECONDS]))
    if base == "DATE" or base.startswith("TIMESTAMP"):
        seconds = 1.0 if base == "DATE" else DAY_SECONDS
        years = np.arange(_FIRST_YEAR, _FIRST_YEAR + _YEARS + 1) - _YEAR_OF_EPOCH
        return Places(np.floor(years * _DAYS) * seconds)
    return Places(powers_of_two())


def powers_of_two() -> np.ndarray:
    """-2^40 ... -2^-20, 2^-20 ... 2^40."""
    powers = 2.0 ** np.arange(LEAST_POWER, MOST_POWER + 1)
    return np.concatenate([-powers[::-1], powers])


def _place_of_zero(places: Places) -> int:
    return max(int(np.searchsorted(places.edges, 0.0, "right")) - 1, 0)


def found(places: Places, counts: np.ndarray, scale: float) -> tuple[int, int]:
    """The first and the last place that clearly hold rows, and those beside them that likely do."""
    clear = np.append(np.flatnonzero(counts >= _CLEAR * scale), np.argmax(counts))
    first, last = int(clear.min()), int(clear.max())
    near = counts >= _NEAR * scale
    if near[_place_of_zero(places)]:  # often a value of its own, far from the others
        first, last = min(first, _place_of_zero(places)), max(last, _place_of_zero(places))
    while near[max(first - _GAP, 0) : first].any():
        first = max(first - _GAP, 0) + int(np.argmax(near[max(first - _GAP, 0) : first]))
    while near[last + 1 : last + 1 + _GAP].any():
        last += 1 + int(np.flatnonzero(near[last + 1 : last + 1 + _GAP])[-1])
    return first, last


def _with_few_units(places: Places, first: int, last: int, unit: float) -> tuple[int, int]:
    """The first and the last place, with those beside them of few units: up or down to 0, and upwards from it."""
    near, zero = np.abs(places.edges) <= _FEW_UNITS * unit, _place_of_zero(places)
    highest = zero if last < zero else len(places) - 1
    while first > zero and near[first]:
        first -= 1
    while last < highest and near[last + 2]:
        last += 1
    return first, last


def cells_of(places: Places, counts: np.ndarray, scale: float, unit: float, most: int) -> np.ndarray:
    """Cut the places that hold rows into about ``most`` cells, by their rows; return the cells' edges.

    With a unit, every edge lies halfway between two of its multiples, and no cell is narrower than it.
    """
    first, last = _with_few_units(places, *found(places, counts, scale), unit)
    rows = np.maximum(counts[first : last + 1] - scale, scale)
    share = rows / rows.sum()
    edges = []
    for place in range(first, last + 1):
        low, high = places.edges[place], places.edges[place + 1]
        parts = max(math.ceil(most * share[place - first]), 1)
        if unit > 0.0:
            units = max(round((high - low) / unit), 1)
            step = math.ceil(units / parts) * unit
            begin = math.ceil(low / unit - 1e-9) * unit - 0.5 * unit
            edges.append(np.arange(begin, high - 0.5 * unit - 1e-9 * unit, step))
        else:
            edges.append(low + (high - low) / parts * np.arange(parts))
    end = places.edges[last + 1]
    if unit > 0.0:
        end = math.ceil(end / unit - 1e-9) * unit - 0.5 * unit
    cut = np.unique(np.concatenate([*edges, [end]]))
    if unit > 0.0:
        cut = cut[np.concatenate([[True], np.diff(cut) >= 0.5 * unit])]
    return cut if len(cut) > 1 else np.array([cut[0] - (unit or 1.0), cut[0]])
