"""Checks of the concepts in a field: each table's concepts are counted once, and the counts joined to the vocabulary.

So a check looks at as many rows as there are different concepts, however many records there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import ibis
import ibis.expr.types as ir

from omopsql.quoting import identifier
from omopsql.rows import create_temporary

from . import conditions as c
from .checks import Check
from .conditions import JOINED as PREFIX
from .conditions import Examined
from .counts import Counts
from .opened import Cdm
from .rules import JOINED, Rows, rule_of
from .templates import ROWS, Template, to_sql

VALUES = "omopsql_values"
_ASKED = "omopsql_asked"
_ASKED_KINDS = {"asked": "int64", "asked_field": "int64", "kind": "int64", "asked_value": "string"}
_SQL_TYPES = ("BIGINT", "BIGINT", "BIGINT", "VARCHAR")
Field = tuple[str, str]


def count_values(cdm: Cdm, fields: Iterable[Field]) -> dict[Field, int]:
    """Count how often each concept stands in each field, into the table ``omopsql_values`` of the cursor.

    Returns the number that each field has there. Numbers become doubles, which hold every concept and tell 5.5 from 5.
    """
    numbered = {field: number for number, field in enumerate(dict.fromkeys(fields))}
    template = _value_counts()
    counts = (
        f"SELECT {number} AS field, value, n FROM ({template.of(_parts(cdm, *field))})"
        for field, number in numbered.items()
    )
    cdm.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {VALUES} AS {' UNION ALL '.join(counts)}")
    return numbered


@cache
def _value_counts() -> Template:
    rows = ibis.table({"the field": "int64", "rest": "int64"}, name=ROWS)
    counted = rows.group_by(value=rows["the field"]).agg(n=lambda group: group.count())
    return Template(to_sql(counted.select(value=counted.value.cast("float64"), n=counted.n.cast("int64"))))


def _parts(cdm: Cdm, table: str, column: str) -> dict[str, str]:
    return {"rows": identifier(cdm.tables[table].view), "field": identifier(column)}


def values() -> ir.Table:
    """What ``count_values`` made: how often each value stands in each field."""
    return ibis.table({"field": "int64", "value": "float64", "n": "int64"}, name=VALUES)


def count(cdm: Cdm, numbered: dict[Field, int], checks: list[Check]) -> dict[Check, Counts]:
    """Count the rows that violate checks of the concepts in a field, of all rows or of those with a value."""
    names = sorted({_kind(check) for check in checks})
    asked = (
        (place, numbered[check.cdm_table, check.cdm_field], names.index(_kind(check)), check.value)
        for place, check in enumerate(checks)
    )
    create_temporary(cdm.cursor, _ASKED, asked, dict(zip(_ASKED_KINDS, _SQL_TYPES, strict=True)))
    rows = _with_concepts(cdm).join(ibis.table(_ASKED_KINDS, name=_ASKED), [("field", "asked_field")])
    examples = {_kind(check): check for check in checks}
    held = [(rows.kind == number, _condition(rows, examples[name])) for number, name in enumerate(names)]
    violated = rows.filter(ibis.cases(*held, else_=False)).group_by("asked").agg(n=lambda rows: rows.n.sum())
    answers = dict(cdm.cursor.execute(to_sql(violated)).fetchall())
    totals = _totals(cdm)
    return {
        check: Counts(
            int(answers.get(place, 0)),
            _examined(check, *totals.get(numbered[check.cdm_table, check.cdm_field], (0, 0))),
        )
        for place, check in enumerate(checks)
    }


def _totals(cdm: Cdm) -> dict[int, tuple[int, int]]:
    """How many rows each field has, and how many of them with a value."""
    counted = values()
    filled = counted.n.sum(where=counted.value.notnull()).fill_null(0)
    summed = counted.group_by("field").agg(rows=counted.n.sum(), filled=filled)
    return {field: (int(rows), int(filled)) for field, rows, filled in cdm.cursor.execute(to_sql(summed)).fetchall()}


def _examined(check: Check, rows: int, filled: int) -> int:
    rule = rule_of(check)
    return filled if rule is not None and rule.examined is c.has_value else rows


def _kind(check: Check) -> str:
    return check.kind.check_name


def _with_concepts(cdm: Cdm) -> ir.Table:
    joined = JOINED[Rows.CONCEPT]
    concept = cdm.tables[joined.table].rows
    columns = {PREFIX + name: concept[name] for name in joined.columns if name in concept.columns}
    keyed = concept.select(**{PREFIX + joined.key: concept[joined.key].cast("float64")}, **columns)
    counted = values()
    return counted.left_join(keyed, counted.value == keyed[PREFIX + joined.key])


def _condition(rows: ir.Table, check: Check) -> ir.BooleanValue:
    rule = rule_of(check)
    assert rule is not None
    return rule.violated(Examined(rows, rows.value, value=rows.asked_value))
