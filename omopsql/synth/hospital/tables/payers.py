"""The table payer_plan_period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import Field, tables

from ..columns import MOST_INT32, arrow_type, dates, keys, whole, within, written
from ..lives import Int64s, Lives
from ..payers import PayerModel, Plans, plans_of
from ..told import UNKNOWN

if TYPE_CHECKING:
    from ..generate import Hospital

_TABLE = "payer_plan_period"


def table(lives: Lives, hospital: Hospital) -> pa.Table:
    """Write the payer plan periods of lives."""
    model: PayerModel = hospital.models["payers"]
    fields, plans = tables(hospital.version)[_TABLE], plans_of(model, lives)
    numbers, birth = lives.numbers[plans.person], lives.people.birth[plans.person]
    known = np.array([UNKNOWN, *sorted(model.kinds)], np.int64)
    columns = columns_of([{}, *(model.kinds[number] for number in known[1:].tolist())],
                         np.searchsorted(known, plans.kind), fields)  # fmt: skip
    either = [*model.reasons[0].told, *model.reasons[1].told]
    place = np.where(plans.reason < 0, -1, plans.reason + plans.is_last * len(model.reasons[0].told))
    columns |= columns_of(either, place, fields)
    columns |= {
        "payer_plan_period_id": whole(plan_keys(plans, lives)),
        "person_id": whole(numbers),
        "payer_plan_period_start_date": dates(birth + plans.start),
        "payer_plan_period_end_date": dates(birth + plans.end),
    }
    return written(hospital.version, _TABLE, len(plans.person), columns)


def plan_keys(plans: Plans, lives: Lives) -> Int64s:
    """The key of each period."""
    return keys(lives.numbers[plans.person], within(plans.offsets))


def columns_of(told: Sequence[Mapping[str, Any]], place: Int64s, fields: Mapping[str, Field]) -> dict[str, pa.Array]:
    """The columns of records of which each is told what stands at a place of a list; nothing at place -1."""
    named: Iterable[str] = sorted({name for one in told for name in one} & fields.keys())
    at = pa.array(np.where(place < 0, len(told), place))
    return {name: _values(fields[name], [*(one.get(name) for one in told), None]).take(at) for name in named}


def _values(field: Field, values: list[Any]) -> pa.Array:
    wanted = arrow_type(field)
    if pa.types.is_integer(wanted) and max((value for value in values if value is not None), default=0) > MOST_INT32:
        wanted = pa.int64()
    return pa.array(values, wanted)
