"""The table cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import tables

from ..attributes import states_of
from ..choices import uniforms_of
from ..columns import ROWS_A_PERSON, keys, whole, within, written
from ..costs import AMOUNTS, DOMAINS, DRAWS, NUMBER_DRAWS, CostModel, drawn, numbers_of
from ..lives import Int64s, Lives, offsets_of
from ..payers import UNCOVERED, Plans, plans_of
from ..plan import TABLE_NUMBERS
from .drawn import numbered_columns
from .payers import plan_keys
from .rows import keyed

if TYPE_CHECKING:
    from ..generate import Hospital

_TABLE = "cost"
_NUMBERS, _COSTS = 102, 103  # streams of random numbers; subjects of attributes have the smaller ones
_NAMES = {TABLE_NUMBERS[table]: domain for domain, table in DOMAINS.items()}


def table(lives: Lives, hospital: Hospital) -> pa.Table:
    """Write the costs of the records of lives."""
    model: CostModel = hospital.models["costs"]
    if lives.events is None or lives.visits is None or not len(model.domains):
        return written(hospital.version, _TABLE, 0, {})
    plans = plans_of(hospital.models["payers"], lives)
    person, domain, concept, event, cover = _events(lives, hospital, model, plans)
    kind = np.append(plans.kind, UNCOVERED)[cover]
    ordinal = within(offsets_of(person, len(lives)))
    u = uniforms_of(states_of(lives, _COSTS), person, ordinal, DRAWS)
    costs = drawn(model, domain, concept, kind, u)
    fields = tables(hospital.version)[_TABLE]
    columns = numbered_columns(model.told, costs.told, fields)
    for place, name in enumerate(AMOUNTS):
        columns[name] = pa.array(costs.amounts[:, place] / 100, mask=costs.missing[:, place])
    domains = np.array([_NAMES[number] for number in model.domains.tolist()])
    columns |= {
        "cost_id": whole(keys(lives.numbers[person], ordinal)),
        "cost_event_id": whole(event),
        "cost_domain_id": pa.array(domains[np.searchsorted(model.domains, domain)], pa.string()),
        "payer_plan_period_id": whole(np.append(plan_keys(plans, lives), 0)[cover], ~costs.is_linked),
    }
    return written(hospital.version, _TABLE, len(person), columns)


def persons(rows: pa.Table) -> Int64s:
    """The number of the person of each cost: its key tells."""
    found: Int64s = rows["cost_id"].to_numpy().astype(np.int64) // ROWS_A_PERSON
    return found


def _events(lives: Lives, hospital: Hospital, model: CostModel, plans: Plans) -> tuple[Int64s, ...]:
    """What each cost is of, by person: person, domain, concept and key of the record, and the plan that covers it."""
    states, parts = states_of(lives, _NUMBERS), []
    for domain in model.domains.tolist():
        person, item, day, event = keyed(DOMAINS[_NAMES[domain]], lives, hospital)
        concept = hospital.items.concept[item]
        ordinal = event % ROWS_A_PERSON
        u = uniforms_of(states, person, domain * ROWS_A_PERSON + ordinal, NUMBER_DRAWS)
        cover = plans.covering(person, day)
        each = np.repeat(np.arange(len(person)), numbers_of(model, domain, concept, cover >= 0, u))
        parts.append([person[each], np.full(len(each), domain), concept[each], event[each], cover[each]])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)
