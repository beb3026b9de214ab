"""Given values: from what a user fixes, ``{'sex': 'F'}``, to the cells of a model."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from omopsql.errors import OmopsqlError
from omopsql.quoting import literal

from . import columns as c
from .margins import Margin
from .model import Model

_SHOWN = 8
_EPOCH = dt.date(1970, 1, 1)


def given_cells(model: Model, given: dict[str, Any], argument: str = "given") -> dict[int, int]:
    """Find the cell of every given value: position among the learned columns -> cell.

    ``argument`` is what the user calls them. Raises OmopsqlError for a column that the model does not have or learn,
    and for a value that it never saw.
    """
    known = {margin.column.name: margin for margin in model.margins}
    position = {margin.column.name: j for j, margin in enumerate(model.learned)}
    cells = {}
    for name, value in given.items():
        if name not in known:
            raise OmopsqlError(f"{argument}: the model has no column {name!r}; it has {', '.join(known)}")
        if name not in position:
            raise OmopsqlError(
                f"{argument}: column {name!r} is {known[name].column.kind}; only learned columns can be given"
            )
        cells[position[name]] = _cell_of(known[name], value, argument)
    return cells


def given_sql(margin: Margin, value: Any) -> str:
    """Write a given value as SQL of the column's type."""
    if value is None:
        return f"CAST(NULL AS {margin.column.type})"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"CAST({literal(text)} AS {margin.column.type})"


def _cell_of(margin: Margin, value: Any, argument: str) -> int:
    if value is None:
        cell = margin.missing
    elif str(value) in margin.labels:
        cell = margin.numbers + margin.labels.index(str(value))
    else:
        cell = _number_cell(margin, value)
    if cell < 0:
        raise OmopsqlError(
            f"{argument}: the model never saw {value!r} in column {margin.column.name!r}; {_seen(margin)}"
        )
    return cell


def _number_cell(margin: Margin, value: Any) -> int:
    """The cell of a number: the atom of that value, else the interval around it, else -1."""
    if not margin.numbers:
        return -1
    number = _number(margin, value)
    atoms = ((margin.low == margin.high) & (abs(margin.low - number) <= 1e-9 * max(1.0, abs(number)))).nonzero()[0]
    if len(atoms):
        return int(atoms[0])
    around = ((margin.low <= number) & (number < margin.high)).nonzero()[0]
    return int(around[0]) if len(around) else -1


def _number(margin: Margin, value: Any) -> float:
    """Read a given value on the column's number line; NaN when it cannot be read."""
    base = margin.column.type.upper()
    dated = base == "DATE" or (margin.column.kind == c.NUMBER_TEXT and margin.column.decimals < 0)
    try:
        if dated:
            return float((dt.date.fromisoformat(str(value)) - _EPOCH).days)
        if base == "TIME":
            moment = dt.datetime.combine(_EPOCH, dt.time.fromisoformat(str(value)))
            return (moment - dt.datetime.combine(_EPOCH, dt.time())).total_seconds()
        if base.startswith("TIMESTAMP"):
            moment = dt.datetime.fromisoformat(str(value))
            moment = moment.replace(tzinfo=moment.tzinfo or dt.UTC)
            return moment.timestamp()
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return float(value.lower() == "true")
        return float(value)
    except ValueError:
        return math.nan


def _seen(margin: Margin) -> str:
    """Say what a column holds, so that the user can choose."""
    parts = []
    if margin.numbers:
        bounds = (c.shown(margin.column, float(margin.low[0])), c.shown(margin.column, float(margin.high[-1])))
        parts.append(f"it lies between {bounds[0]} and {bounds[1]}")
    if margin.labels:
        more = f" and {len(margin.labels) - _SHOWN} more" if len(margin.labels) > _SHOWN else ""
        parts.append(f"it holds {', '.join(margin.labels[:_SHOWN])}{more}")
    if margin.missing < 0:
        parts.append("it is never missing")
    return "; ".join(parts) or "it holds only NULL"
