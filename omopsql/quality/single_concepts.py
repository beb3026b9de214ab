"""Checks of single concepts: whose records are of persons of the other sex, or carry a unit that does not belong.

Records are counted once by concept and sex, and by concept and unit. A check then looks up its concepts there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import ibis
import ibis.expr.types as ir

from omopsql.rows import create_temporary

from .checks import Check
from .concept_fields import Field, values
from .conditions import JOINED as PREFIX
from .conditions import Examined, is_of_other_gender
from .counts import Counts
from .opened import Cdm
from .rules import ANY, NUMBERS, Column, Need
from .templates import to_sql

GENDER, DESCENDANTS, UNITS = "plausibleGender", "plausibleGenderUseDescendants", "plausibleUnitConceptIds"
_ASKED = "omopsql_asked_concepts"
_ASKED_TYPES = {
    "asked": "BIGINT",
    "asked_field": "BIGINT",
    "asked_concept": "DOUBLE",
    "asked_value": "VARCHAR",
    "of_descendants": "BOOLEAN",
}


def needs(check: Check) -> Iterator[Need]:
    """Yield the columns that a check of single concepts reads."""
    table, name = check.cdm_table, check.kind.check_name
    yield table, check.cdm_field, NUMBERS
    if name == UNITS:
        yield table, "unit_concept_id", NUMBERS
        return
    yield table, "person_id", ANY
    yield "person", "person_id", ANY
    yield "person", "gender_concept_id", NUMBERS
    if name == DESCENDANTS:
        yield from (("concept_ancestor", f"{end}_concept_id", NUMBERS) for end in ("ancestor", "descendant"))


def compared(check: Check) -> Iterator[tuple[Column, Column]]:
    """Yield the columns of persons that a check of single concepts compares."""
    if check.kind.check_name != UNITS:
        yield (check.cdm_table, "person_id"), ("person", "person_id")


def count(cdm: Cdm, numbered: dict[Field, int], checks: list[Check]) -> dict[Check, Counts]:
    """Count the records of checks whose columns are all there. ``numbered`` are the fields of ``count_values``."""
    of_sex = [check for check in checks if check.kind.check_name != UNITS]
    of_unit = [check for check in checks if check.kind.check_name == UNITS]
    return (_count_sexes(cdm, numbered, of_sex) if of_sex else {}) | (
        _count_units(cdm, numbered, of_unit) if of_unit else {}
    )


def _count_sexes(cdm: Cdm, numbered: dict[Field, int], checks: list[Check]) -> dict[Check, Counts]:
    _register(cdm, numbered, checks)
    asked = _asked(cdm, any(_is_of_descendants(check) for check in checks))
    violated = _of_other_gender(_joined(_by_gender(cdm, numbered, checks), asked))
    return _counts(checks, _summed(cdm, violated), _summed(cdm, _joined(values(), asked)))


def _count_units(cdm: Cdm, numbered: dict[Field, int], checks: list[Check]) -> dict[Check, Counts]:
    _register(cdm, numbered, checks)
    counted = _joined(_by_unit(cdm, numbered, checks), _asked(cdm, False))
    violated = counted.filter(_has_other_unit(counted.unit, counted.asked_value))
    return _counts(checks, _summed(cdm, violated), _summed(cdm, counted))


def _counts(checks: list[Check], violated: dict[int, int], examined: dict[int, int]) -> dict[Check, Counts]:
    return {check: Counts(violated.get(place, 0), examined.get(place, 0)) for place, check in enumerate(checks)}


def violating(cdm: Cdm, check: Check) -> ir.Table:
    """The records that violate a check of single concepts."""
    rows = cdm.tables[check.cdm_table].rows
    field = rows[check.cdm_field]
    if check.kind.check_name == UNITS:
        return rows.filter(
            field.isin(check.concepts), _is_mapped(rows), _has_other_unit(rows.unit_concept_id, check.value)
        )
    if check.kind.check_name == DESCENDANTS:
        ancestor = cdm.tables["concept_ancestor"].rows
        below = ancestor.filter(ancestor.ancestor_concept_id.isin(check.concepts))
        held = rows.inner_join(below, field == below.descendant_concept_id).select(*rows.columns)
    else:
        held = rows.filter(field.isin(check.concepts))
    sexed = _with_gender(cdm, held)
    examined = Examined(sexed, sexed[check.cdm_field], value=ibis.literal(check.value))
    return sexed.filter(is_of_other_gender(examined)).select(*rows.columns)


def _register(cdm: Cdm, numbered: dict[Field, int], checks: list[Check]) -> None:
    """Make the table of what is asked: a row for each concept of each check."""
    rows = (
        (place, numbered[check.cdm_table, check.cdm_field], concept, check.value, _is_of_descendants(check))
        for place, check in enumerate(checks)
        for concept in check.concepts
    )
    create_temporary(cdm.cursor, _ASKED, rows, _ASKED_TYPES)


def _is_of_descendants(check: Check) -> bool:
    return check.kind.check_name == DESCENDANTS


def _asked(cdm: Cdm, with_descendants: bool) -> ir.Table:
    """The concepts that are asked for, and those below them where a check asks for these."""
    kinds = {"asked": "int64", "asked_field": "int64", "asked_concept": "float64", "asked_value": "string"}
    asked = ibis.table({**kinds, "of_descendants": "boolean"}, name=_ASKED)
    themselves = asked.filter(~asked.of_descendants).drop("of_descendants")
    if not with_descendants:
        return themselves
    ancestor = cdm.tables["concept_ancestor"].rows
    above = asked.filter(asked.of_descendants)
    below = above.inner_join(ancestor, above.asked_concept == ancestor.ancestor_concept_id.cast("float64"))
    concepts = below.select(
        "asked", "asked_field", asked_concept=below.descendant_concept_id.cast("float64"), asked_value=below.asked_value
    )
    return themselves.union(concepts)


def _joined(counted: ir.Table, asked: ir.Table) -> ir.Table:
    return counted.inner_join(asked, [counted.field == asked.asked_field, counted.value == asked.asked_concept])


def _summed(cdm: Cdm, counted: ir.Table) -> dict[int, int]:
    summed = counted.group_by("asked").agg(n=lambda rows: rows.n.sum())
    return {int(asked): int(n) for asked, n in cdm.cursor.execute(to_sql(summed)).fetchall()}


def _fields(checks: Iterable[Check]) -> list[Field]:
    return list(dict.fromkeys((check.cdm_table, check.cdm_field) for check in checks))


def _with_gender(cdm: Cdm, rows: ir.Table) -> ir.Table:
    person = cdm.tables["person"].rows
    sexes = person.select(**{PREFIX + column: person[column] for column in ("person_id", "gender_concept_id")})
    return rows.inner_join(sexes, rows.person_id == sexes[PREFIX + "person_id"])


def _by_gender(cdm: Cdm, numbered: dict[Field, int], checks: list[Check]) -> ir.Table:
    """Count the records of each concept by the sex of the person."""
    counts = []
    for table, column in _fields(checks):
        rows = _with_gender(cdm, cdm.tables[table].rows)
        gender = PREFIX + "gender_concept_id"
        counted = rows.group_by(value=rows[column], gender=rows[gender]).agg(n=lambda group: group.count())
        counts.append(
            counted.select(
                field=ibis.literal(numbered[table, column], "int64"),
                value=counted.value.cast("float64"),
                n=counted.n.cast("int64"),
                **{gender: counted.gender.cast("int64")},
            )
        )
    return ibis.union(*counts) if len(counts) > 1 else counts[0]


def _of_other_gender(rows: ir.Table) -> ir.Table:
    return rows.filter(is_of_other_gender(Examined(rows, rows.value, value=rows.asked_value)))


def _by_unit(cdm: Cdm, numbered: dict[Field, int], checks: list[Check]) -> ir.Table:
    """Count the records of each concept by unit."""
    counts = []
    for table, column in _fields(checks):
        rows = cdm.tables[table].rows
        held = rows.filter(_is_mapped(rows))
        counted = held.group_by(value=held[column], unit=held.unit_concept_id).agg(n=lambda group: group.count())
        counts.append(
            counted.select(
                field=ibis.literal(numbered[table, column], "int64"),
                value=counted.value.cast("float64"),
                n=counted.n.cast("int64"),
                unit=counted.unit.cast("int64"),
            )
        )
    return ibis.union(*counts) if len(counts) > 1 else counts[0]


def _is_mapped(rows: ir.Table) -> ir.BooleanValue:
    """Not of unit 0, which the completeness of units is about."""
    return rows.unit_concept_id.isnull() | (rows.unit_concept_id != 0)


def _has_other_unit(unit: ir.IntegerColumn, wanted: ir.StringValue | str) -> ir.BooleanValue:
    """A unit that is none of those asked for, listed with commas. No unit is no violation."""
    units = (ibis.literal(wanted) if isinstance(wanted, str) else wanted).split(",")
    return ~units.contains(unit.cast("int64").cast("string"))
