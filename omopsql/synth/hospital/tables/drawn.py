"""What is drawn for the records of a table, as its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import Field

from .. import small_tables
from ..attributes import Attributes, Drawn
from ..columns import arrow_type, type_holding, whole
from ..lives import Int64s
from ..small_tables import SMALL_TABLES
from ..told import UNKNOWN
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
            columns[name] = drawn.column(name, type_holding(field, drawn.values(name)))
    return columns


def numbered_columns(
    told: Mapping[int, Mapping[str, Any]], numbers: Int64s, fields: Mapping[str, Field]
) -> dict[str, pa.Array]:
    """The columns of records of which each is told what its number names, nothing by ``UNKNOWN``."""
    known = np.array([UNKNOWN, *sorted(told)], np.int64)
    return placed_columns([{}, *(told[number] for number in sorted(told))], np.searchsorted(known, numbers), fields)


def placed_columns(
    told: Sequence[Mapping[str, Any]], place: Int64s, fields: Mapping[str, Field]
) -> dict[str, pa.Array]:
    """The columns of records of which each is told what stands at a place of a list; nothing at place -1."""
    at = pa.array(np.where(place < 0, len(told), place))
    columns: dict[str, pa.Array] = {}
    for name in sorted({name for one in told for name in one} & fields.keys()):
        values = [one.get(name) for one in told]
        columns[name] = pa.array([*values, None], type_holding(fields[name], values)).take(at)
    return columns


def references(drawn: Drawn, name: str, hospital: Hospital) -> pa.Array:
    """Keys of a small table."""
    known = small_tables.numbered(attributes_of(hospital), name.removesuffix("_id"))
    codes = drawn.codes(name)
    numbers = np.array([*(known.get(label, 0) for label in drawn.values(name)), 0], np.int64)[codes]
    return pa.array(numbers, mask=(codes < 0) | (numbers == 0))
