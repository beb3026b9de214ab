"""Checking a CDM: every check answered in few scans, and judged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from omopsql.quoting import identifier

from . import concept_fields, counting, own_checks, single_concepts
from .checks import Check
from .counts import Counts
from .judging import COMPLETENESS, FIELD, TABLE, Judgement, Presence, judge
from .opened import Cdm
from .rules import Rows, compared, needs, problem, rule_of


def check(cdm: Cdm, checks: Iterable[Check], today: date) -> list[Judgement]:
    """Answer and judge checks, in their order."""
    checks = list(checks)
    counts = count(cdm, checks, today)
    presence = find_presence(cdm, counts)
    return [judge(check, counts[check], presence) for check in checks]


def find_presence(cdm: Cdm, counts: dict[Check, Counts]) -> Presence:
    """Tell how many rows each table and how many values each field has: from the counts, as far as they say it."""
    rows: dict[str, int] = {}
    filled: dict[tuple[str, str], int] = {}
    for check, counted in counts.items():
        if check.kind.check_name == COMPLETENESS and counted.examined is not None and counted.violated is not None:
            rows[check.cdm_table] = counted.examined
            filled[check.cdm_table, check.cdm_field] = counted.examined - counted.violated
    for name, table in cdm.tables.items():
        unknown = [column for column in table.types if (name, column) not in filled]
        named = {check.cdm_field for check in counts if check.cdm_table == name}
        if name not in rows or named.intersection(unknown):
            counted_columns = "".join(f", count({identifier(column)})" for column in unknown)
            query = f"SELECT count(*){counted_columns} FROM {identifier(table.view)}"
            rows[name], *values = cdm.cursor.execute(query).fetchall()[0]
            filled |= {(name, column): int(n) for column, n in zip(unknown, values, strict=True)}
    return Presence(rows, filled)


def count(cdm: Cdm, checks: Iterable[Check], today: date) -> dict[Check, Counts]:
    """Count what every check is about."""
    counts: dict[Check, Counts] = {}
    on_rows, in_fields, of_concepts = [], [], []
    for check in checks:
        name = check.kind.check_name
        if check.kind.query:
            counts[check] = own_checks.count(cdm, check)
            continue
        rule = rule_of(check)
        if name in (TABLE, FIELD):
            is_there = check.cdm_table in cdm.tables and (
                name == TABLE or check.cdm_field in cdm.tables[check.cdm_table].types
            )
            counts[check] = Counts(0, 1) if is_there else Counts()
            continue
        error = unanswerable(cdm, check)
        if error:
            counts[check] = Counts(error=error)
        elif rule is None:
            of_concepts.append(check)
        elif rule.rows is Rows.CONCEPT:
            in_fields.append(check)
        else:
            on_rows.append(check)
    counts |= counting.count(cdm, on_rows, today)
    counts |= _count_concepts(cdm, in_fields, of_concepts, today)
    return counts


def unanswerable(cdm: Cdm, check: Check) -> str | None:
    """Tell what a CDM lacks for a check; None when it can be answered."""
    rule = rule_of(check)
    if rule is None:
        return problem(cdm, single_concepts.needs(check), single_concepts.compared(check))
    return problem(cdm, needs(check, rule), compared(check, rule))


def _count_concepts(cdm: Cdm, in_fields: list[Check], of_concepts: list[Check], today: date) -> dict[Check, Counts]:
    fields = [(check.cdm_table, check.cdm_field) for check in (*in_fields, *of_concepts)]
    if not fields:
        return {}
    numbered = concept_fields.count_values(cdm, fields)
    counts = concept_fields.count(cdm, numbered, in_fields) if in_fields else {}
    return counts | (single_concepts.count(cdm, numbered, of_concepts) if of_concepts else {})
