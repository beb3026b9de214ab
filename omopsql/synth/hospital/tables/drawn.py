"""What is drawn for the records of a table, as its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import Field

from .. import small_tables
from ..attributes import Attributes, Drawn
from ..columns import MOST_INT32, arrow_type, whole
from ..small_tables import SMALL_TABLES
from ..visits import VisitModel

if TYPE_CHECKING:
    from ..generate import Hospital


def attributes_of(hospital: Hospital) -> Attributes:
    """Return the compiled layer of attributes."""
    found: Attributes = hospital.models["attributes"]
    return found


def visits_of(hospital: Hospital) -> VisitModel:
    """Return the compiled layer of visits."""
    found: VisitModel = hospital.models["visits"]
    return found


def told_columns(drawn: Drawn | None, fields: dict[str, Field], hospital: Hospital) -> dict[str, pa.Array]:
    """The columns of codes and of numbers that were drawn as they stand in the table."""
    columns: dict[str, pa.Array] = {}
    for name, field in fields.items():
        if drawn is None or name not in drawn:
            continue
        if f"{name.removesuffix('_id')}" in SMALL_TABLES:
            columns[name] = references(drawn, name, hospital)
        elif not (field.type.startswith("VARCHAR") or field.is_concept):
            numbers, missing = drawn.scaled(name)
            is_double = arrow_type(field) == pa.float64()
            columns[name] = pa.array(numbers, mask=missing) if is_double else whole(np.round(numbers), missing, field)
        else:
            columns[name] = drawn.column(name, _code_type(field, drawn, name))
    return columns


def _code_type(field: Field, drawn: Drawn, name: str) -> pa.DataType:
    found = arrow_type(field)
    if pa.types.is_integer(found) and max(drawn.values(name), default=0) > MOST_INT32:
        return pa.int64()
    return found


def references(drawn: Drawn, name: str, hospital: Hospital) -> pa.Array:
    """Keys of a small table."""
    known = small_tables.numbered(attributes_of(hospital), name.removesuffix("_id"))
    codes = drawn.codes(name)
    numbers = np.array([*(known.get(label, 0) for label in drawn.values(name)), 0], np.int64)[codes]
    return pa.array(numbers, mask=(codes < 0) | (numbers == 0))
