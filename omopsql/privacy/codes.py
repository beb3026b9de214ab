"""Tables as matrices for attacks that compare column by column: numbers first, then labels as whole numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.encode import label_codes
from omopsql.evaluate.sides import Doubles, Sides


@dataclass(frozen=True)
class Coded:
    """The sides as matrices (n, columns), the names of their columns, and how many of them, the first, are numbers."""

    sides: tuple[Doubles, ...]
    names: tuple[str, ...]
    numbers: int

    def place(self, name: str) -> int:
        """Where a column stands; -1 when it is none of these."""
        return self.names.index(name) if name in self.names else -1


def coded(sides: Sides, columns: Iterable[str], *, is_scaled: bool = False) -> Coded:
    """Write columns as matrices; a missing number is NaN. Scaled, the numbers of all sides span a range of 1."""
    wanted = set(columns)
    numbers = [name for name in sides.numeric if name in wanted]
    labels = [name for name in sides.labels if name in wanted]
    parts = [[side.numbers(name) for side in sides.every] for name in numbers]
    parts = [_scaled(part) for part in parts] if is_scaled else parts
    parts += [[codes.astype(float) for codes in label_codes(sides, name).sides] for name in labels]
    matrices = tuple(
        np.ascontiguousarray(np.column_stack([part[place] for part in parts])) for place in range(len(sides.every))
    )
    return Coded(matrices, (*numbers, *labels), len(numbers))


def _scaled(part: list[Doubles]) -> list[Doubles]:
    everyone = np.concatenate(part)
    known = everyone[~np.isnan(everyone)]
    width = float(known.max() - known.min()) if known.size else 0.0
    return [side / (width or 1.0) for side in part]
