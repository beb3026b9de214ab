"""The table payer_plan_period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import tables

from ..columns import dates, keys, whole, within, written
from ..lives import Int64s, Lives
from ..payers import PayerModel, Plans, plans_of
from .drawn import numbered_columns, placed_columns

if TYPE_CHECKING:
    from ..generate import Hospital

_TABLE = "payer_plan_period"


def table(lives: Lives, hospital: Hospital) -> pa.Table:
    """Write the payer plan periods of lives."""
    model: PayerModel = hospital.models["payers"]
    fields, plans = tables(hospital.version)[_TABLE], plans_of(model, lives)
    numbers, birth = lives.numbers[plans.person], lives.people.birth[plans.person]
    columns = numbered_columns(model.kinds, plans.kind, fields)
    either = [*model.reasons[0].told, *model.reasons[1].told]
    place = np.where(plans.reason < 0, -1, plans.reason + plans.is_last * len(model.reasons[0].told))
    columns |= placed_columns(either, place, fields)
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
