"""Columns as predictors: numbers in units of the real standard deviation, and a 0 or 1 for each frequent value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.evaluate.sides import Doubles, Side, Sides

_MOST_VALUES = 20  # of a label, the most frequent one not counted: it is what the others are compared with
_LEAST_ROWS = 10  # with a value on the real side
_BOOLEAN = ("false", "true")


@dataclass(frozen=True)
class Predictors:
    """The predictors by name, and their numbers on each side, (n, d), in the order of ``sides.every``."""

    names: tuple[str, ...]
    sides: tuple[Doubles, ...]


def predictors(sides: Sides, columns: tuple[str, ...]) -> Predictors:
    """Write columns as predictors. A missing number stands at the mean, and is told beside it where that is frequent.

    What is frequent is asked of the real side: a value of at least 10 rows. All rarer values count as the most frequent
    one does.
    """
    found: list[tuple[str, list[Doubles]]] = []
    for name in columns:
        found += _numbers(sides, name) if name in sides.numeric else _values(sides, name)
    every = range(len(sides.every))
    matrices = tuple(
        np.column_stack([parts[i] for _, parts in found]) if found else np.empty((len(sides.every[i]), 0))
        for i in every
    )
    return Predictors(tuple(name for name, _ in found), matrices)


def _numbers(sides: Sides, name: str) -> list[tuple[str, list[Doubles]]]:
    raw = [np.where(np.isfinite(side.numbers(name)), side.numbers(name), np.nan) for side in sides.every]
    missing = [np.isnan(numbers).astype(float) for numbers in raw]
    known = raw[0][~np.isnan(raw[0])]
    spread = float(known.std()) if known.size else 0.0
    found = []
    if spread > 0:
        found.append((name, [np.nan_to_num((numbers - known.mean()) / spread) for numbers in raw]))
    if min(missing[0].sum(), (1 - missing[0]).sum()) >= _LEAST_ROWS:
        found.append((f"{name} is missing", missing))
    return found


def frequent_values(side: Side, column: str) -> list[str | None]:
    """Return the values of a column that have at least 10 rows, the most frequent first; None stands for missing."""
    counted = side.table[column].cast(pa.string()).value_counts().to_pylist()
    often = [(-row["counts"], row["values"] is None, row["values"]) for row in counted if row["counts"] >= _LEAST_ROWS]
    return [value for _, _, value in sorted(often, key=lambda row: (row[0], row[1], row[2] or ""))]


def has_value(side: Side, column: str, value: str | None) -> Doubles:
    """Tell which rows have a value (n), as 1 and 0; None stands for missing."""
    texts = side.table[column].cast(pa.string())
    held = pc.is_null(texts) if value is None else pc.fill_null(pc.equal(texts, pa.scalar(value)), False)
    return np.asarray(held.to_numpy(zero_copy_only=False) if isinstance(held, pa.Array) else held.to_numpy(), float)


def value_name(column: str, value: str | None) -> str:
    """Name a value of a column, as in ``sex = F``."""
    return f"{column} is missing" if value is None else f"{column} = {value}"


def _values(sides: Sides, name: str) -> list[tuple[str, list[Doubles]]]:
    often = frequent_values(sides.real, name)
    compared = [value for value in often if value != "true"][-1:] if set(often) == set(_BOOLEAN) else often[:1]
    told = [value for value in often if value not in compared][:_MOST_VALUES]
    return [(value_name(name, value), [has_value(side, name, value) for side in sides.every]) for value in told]
