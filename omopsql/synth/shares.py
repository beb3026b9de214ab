"""Target shares: from what a user balances, ``{'sex': {'F': 0.5, 'M': 0.5}}``, to a mixture of models.

Each row belongs to one part of the mixture, drawn by the shares; in a part, the values are given.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from omopsql.errors import OmopsqlError
from omopsql.transport.generator import Generator
from omopsql.udfs import layout
from omopsql.udfs.flat import fill_table

from .arrays import Arrays
from .compile import compile_model
from .given import given_cells
from .margins import Margin
from .model import Model

_MOST_PARTS = 64
_CERTAIN = 1 << 60  # rows of a cell beside which the others never occur
_NEAR = 1e-9

Part = tuple[dict[int, int], float]  # the cells that it gives, by learned column, and its share


def read_shares(model: Model, shares: dict[str, Any], given: dict[int, int]) -> list[Part]:
    """Read target shares: every combination of the values that columns are balanced over, with its share.

    What the shares of a column leave goes to its other values, in proportion to their rows. Raises OmopsqlError for a
    column or value that the model does not have, for one that is given already, and for shares that are no shares.
    """
    by_column = [_of_column(model, name, wanted, given) for name, wanted in shares.items()]
    parts = int(np.prod([len(column) for column in by_column]))
    if parts > _MOST_PARTS:
        raise OmopsqlError(
            f"shares: {', '.join(shares)} have {parts} combinations of values; {_MOST_PARTS} at most can be balanced: "
            "give fewer columns, or shares that sum to 1"
        )
    combined = []
    for parts_of in product(*by_column):
        cells = {position: cell for part, _ in parts_of for position, cell in part.items()}
        combined.append((cells, float(np.prod([share for _, share in parts_of]))))
    return combined


def _of_column(model: Model, name: str, wanted: Any, given: dict[int, int]) -> list[Part]:
    if not isinstance(wanted, dict) or not wanted:
        raise OmopsqlError(f"shares: {name} is {wanted!r}; give a share for each value, as in {{'F': 0.5}}")
    parts = []
    for value, share in wanted.items():
        (position, cell), *_ = given_cells(model, {name: value}, "shares").items()
        margin = model.learned[position]
        if cell < margin.numbers and margin.low[cell] != margin.high[cell]:
            raise OmopsqlError(f"shares: {name} {value} stands for a range of numbers; only single values have a share")
        parts.append(({position: cell}, _share(name, share)))
    if position in given:
        raise OmopsqlError(f"shares: {name} is given already; leave it out of one of the two")
    left = 1.0 - sum(share for _, share in parts)
    if left < -_NEAR:
        raise OmopsqlError(f"shares: those of {name} sum to {1.0 - left:g}; they may sum to 1 at most")
    return parts + (_others(margin, position, {cells[position] for cells, _ in parts}, left) if left > _NEAR else [])


def _share(name: str, share: Any) -> float:
    try:
        number = float("nan" if isinstance(share, bool) else share)  # a struct of mixed numbers may come as texts
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 < number <= 1:
        raise OmopsqlError(f"shares: {name} has the share {share!r}; give a number above 0, at most 1")
    return number


def _others(margin: Margin, position: int, named: set[int], left: float) -> list[Part]:
    """Share what is left among the cells that are not named, by their rows."""
    others = [cell for cell in range(len(margin.n)) if cell not in named and margin.n[cell] > 0]
    if not others:
        raise OmopsqlError(f"shares: those of {margin.column.name} name all its values, and {left:g} is left")
    rows = margin.n[others].sum()
    return [({position: cell}, left * float(margin.n[cell] / rows)) for cell in others]


def balanced(model: Model, given: dict[int, int], parts: list[Part]) -> Generator:
    """Compile a mixture of the parts: a generator whose slots are those of the model."""
    arrays = Arrays()
    arrays.put(np.zeros(layout.HEADER))
    ends, records = np.cumsum([share for _, share in parts]), []
    for cells, _ in parts:
        made = _part(model, given | cells)
        start = arrays.put(made.ints, made.reals)
        records += [start, start + made.ints.size]
    shares = np.zeros(len(records))
    shares[layout.PART_END :: layout.PART] = ends / ends[-1]
    place = arrays.put(np.array(records), shares)
    ints, reals = arrays.joined()
    ints[[layout.METHOD, layout.COLUMNS, layout.RECORDS]] = layout.MIXTURE, len(parts), place
    return Generator(ints, reals, made.slots, fill_table)


def _part(model: Model, cells: dict[int, int]) -> Generator:
    """Compile the model with given cells. Where columns are independent, a given cell is all that its margin has."""
    if model.method != "independent":
        return compile_model(model, cells)
    certain = {}
    for position, cell in cells.items():
        margin = model.learned[position]
        certain[margin.column.name] = replace(margin, n=np.where(np.arange(len(margin.n)) == cell, _CERTAIN, 0))
    return compile_model(replace(model, margins=[certain.get(m.column.name, m) for m in model.margins]))
