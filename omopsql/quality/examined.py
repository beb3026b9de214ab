"""The rows of a CDM under a check, as its conditions see them."""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir

from .checks import Check, bound
from .conditions import JOINED as PREFIX
from .conditions import Examined
from .opened import Cdm
from .rules import JOINED, Rows, Rule, others_of


def rows_of(cdm: Cdm, table: str, rows: Rows, field: str) -> ir.Table:
    """The rows of a table, joined to what their conditions look at; to concepts by ``field``."""
    own = cdm.tables[table].rows
    if rows is Rows.OWN:
        return own
    joined = JOINED[rows]
    partner = cdm.tables[joined.table].rows
    columns = dict.fromkeys(column for column in (joined.key, *joined.columns) if column in partner.columns)
    taken = partner.select(**{PREFIX + column: partner[column] for column in columns})
    if rows is Rows.CONCEPT:
        return own.left_join(taken, own[field] == taken[PREFIX + joined.key])
    return own.inner_join(taken, own[joined.key] == taken[PREFIX + joined.key])


def examine(cdm: Cdm, check: Check, rule: Rule, rows: ir.Table, today: date) -> Examined:
    """The rows with the parts that the check's conditions name."""
    others = others_of(check, rule)
    return Examined(
        rows,
        rows[check.cdm_field] if check.cdm_field else rows.person_id,
        rows[check.other_field] if check.other_field in rows.columns else None,
        ibis.literal(bound(check.value, today)),
        cdm.tables[others[0]].rows if others else None,
        others[1] if others else "person_id",
    )
