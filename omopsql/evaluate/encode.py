"""Rows as vectors: what classifiers and distances work on.

A number is one coordinate; a missing one is told beside it. A label is one coordinate for each of its values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from .sides import Doubles, Int64s, Side, Sides

_MOST_VALUES = 50  # values of a label that have a coordinate of their own; the others have none
_ROUNDING = 1e-12  # relative to the mean: a lesser standard deviation is that of one value


@dataclass(frozen=True)
class Codes:
    """Each column as whole numbers from 0: (n) a side, in the order of ``sides.every``, and how many there are."""

    sides: tuple[Int64s, ...]
    size: int


def label_codes(sides: Sides, column: str) -> Codes:
    """Number the values of a column (a label, or a number of few values) on all sides; a missing one is a value, too.

    Values are numbered in their order, so that the codes depend on nothing else.
    """
    parts = [side.table[column] for side in sides.every]
    texts = pa.chunked_array([chunk for part in parts for chunk in part.cast(pa.string()).chunks], pa.string())
    encoded = texts.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    rank = np.argsort(np.argsort(np.array(values, object))) if values else np.zeros(0, np.int64)
    found = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    codes = np.append(rank, len(values)).astype(np.int64)[found]
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return Codes(tuple(np.split(codes, ends)), len(values) + 1)


def bin_codes(sides: Sides, column: str, bins: int = 20) -> Codes:
    """Number the quantile bins of a column of numbers, cut on the real side; missing numbers are bin 0."""
    numbers = [side.numbers(column) for side in sides.every]
    known = numbers[0][~np.isnan(numbers[0])]
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if known.size else np.zeros(0)
    codes = tuple(np.where(np.isnan(x), 0, 1 + np.searchsorted(cuts, x, "right")).astype(np.int64) for x in numbers)
    return Codes(codes, len(cuts) + 2)


def codes(sides: Sides, column: str, bins: int = 20) -> Codes:
    """Number a column's values, or the bins of its numbers where they are many."""
    is_label = column in sides.labels or column in sides.few_valued
    return label_codes(sides, column) if is_label else bin_codes(sides, column, bins)


@dataclass(frozen=True)
class Vectors:
    """The sides as matrices (n, d) of doubles, in the order of ``sides.every``, and the name of each coordinate."""

    sides: tuple[Doubles, ...]
    names: tuple[str, ...]


def vectors(sides: Sides, *, is_scaled: bool = True) -> Vectors:
    """Write rows as vectors. Scaled, each number has the real side's mean 0 and variance 1; missing ones stand at 0.

    A label of at most 50 values has a coordinate for each, 1 or 0, divided by √2 when scaled: two rows that differ in
    it are then 1 apart. Identifiers are left out.
    """
    columns: list[tuple[str, list[Doubles]]] = []
    for name in [name for name in sides.columns if name not in sides.identifiers]:
        columns += _number(sides, name, is_scaled) if name in sides.numeric else _label(sides, name, is_scaled)
    matrices = tuple(
        np.column_stack([np.zeros((len(side), 0)), *(parts[place] for _, parts in columns)])
        for place, side in enumerate(sides.every)
    )
    return Vectors(matrices, tuple(name for name, _ in columns))


def _number(sides: Sides, name: str, is_scaled: bool) -> list[tuple[str, list[Doubles]]]:
    raw = [side.numbers(name) for side in sides.every]
    known = raw[0][~np.isnan(raw[0])]
    centre, spread = (float(known.mean()), float(known.std())) if known.size else (0.0, 1.0)
    if spread <= _ROUNDING * abs(centre):
        spread = 1.0
    found = [(name, [np.nan_to_num((x - centre) / spread) if is_scaled else x for x in raw])]
    if is_scaled and any(np.isnan(x).any() for x in raw):
        found.append((f"{name} is missing", [np.isnan(x).astype(float) for x in raw]))
    return found


def _label(sides: Sides, name: str, is_scaled: bool) -> list[tuple[str, list[Doubles]]]:
    coded = label_codes(sides, name)
    if not is_scaled:
        return [(name, [part.astype(float) for part in coded.sides])]
    often = np.argsort(-np.bincount(coded.sides[0], minlength=coded.size), kind="stable")[:_MOST_VALUES]
    present = [code for code in np.sort(often) if any((part == code).any() for part in coded.sides)]
    return [(f"{name} {code}", [(part == code) / np.sqrt(2.0) for part in coded.sides]) for code in present]


def sample(side: Side, rows: int, seed: int) -> Side:
    """Return at most so many rows of a side, drawn by the seed."""
    if len(side) <= rows:
        return side
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(side))[:rows]
    return side.taken(np.sort(order))


def drawn(sides: Sides, rows: int, seed: int) -> Sides:
    """Return at most so many rows of every side, of each equally many, drawn by the seed."""
    rows = min(rows, *(len(side) for side in sides.every))
    parts = [sample(side, rows, seed + place) for place, side in enumerate(sides.every)]
    holdout = parts[2] if len(parts) > 2 else None
    return replace(sides, real=parts[0], synthetic=parts[1], holdout=holdout, drawn_from=sides)
