"""The rule of every kind of check: which rows it looks at, which of them violate it, and which columns that needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum

import ibis.expr.types as ir

from . import conditions as c
from .checks import Check, bound
from .opened import Cdm, Family

Condition = Callable[[c.Examined], ir.BooleanValue]
Families = frozenset[Family]
Column = tuple[str, str]  # of a table
Need = tuple[str, str, Families]  # table, column, what its type may be

ANY = frozenset(Family)
NUMBERS = frozenset({Family.INTEGER, Family.NUMBER})
TEXTS = frozenset({Family.TEXT})
DATES = frozenset({Family.DATE, Family.DATETIME, Family.TEXT})
_BIRTH = {"birth_datetime": DATES, "year_of_birth": NUMBERS, "month_of_birth": NUMBERS, "day_of_birth": NUMBERS}
_CONCEPT = {"domain_id": TEXTS, "concept_class_id": TEXTS, "standard_concept": TEXTS, "invalid_reason": ANY}


class Rows(Enum):
    """The rows that a condition looks at: those of the check's table, alone or joined to others."""

    OWN = "own"
    PERSON = "person"
    DEATH = "death"
    VISIT = "visit_occurrence"
    CONCEPT = "concept"


@dataclass(frozen=True)
class Joined:
    """The table that rows are joined to, by its key, and the columns taken from it."""

    table: str
    key: str
    columns: dict[str, Families]


JOINED = {
    Rows.PERSON: Joined("person", "person_id", _BIRTH),
    Rows.DEATH: Joined("death", "person_id", {"death_date": DATES}),
    Rows.VISIT: Joined("visit_occurrence", "visit_occurrence_id", {"visit_start_date": DATES, "visit_end_date": DATES}),
    Rows.CONCEPT: Joined("concept", "concept_id", _CONCEPT),
}


class Counting(Enum):
    """What is counted: rows, different values (no value being one of them), or different persons."""

    ROWS = "rows"
    VALUES = "values"
    PERSONS = "persons"


class Others(Enum):
    """The further table whose rows a condition looks at: death, that which the check names, or that it is about."""

    DEATH = "death"
    OTHER = "other"
    OWN = "own"


@dataclass(frozen=True)
class Rule:
    """What a check counts.

    ``violated`` is a condition on ``rows``, ``examined`` one on ``examined_rows``. ``table`` is the table whose rows
    they are, where that is not the check's own. ``field`` and ``other`` are the families that the check's field and
    its other field may have. ``violated_alone`` and ``examined_alone`` tell of a condition that looks at other rows
    than its own, those of ``others``, so that it is no part of a scan that many conditions share.
    """

    violated: Condition
    examined: Condition
    rows: Rows = Rows.OWN
    examined_rows: Rows = Rows.OWN
    counting: Counting = Counting.ROWS
    table: str | None = None
    field: Families = ANY
    other: Families = ANY
    violated_alone: bool = False
    examined_alone: bool = False
    others: Others | None = None


_COMPLETENESS = Rule(c.is_zero_concept, c.has_concept_or_source, field=NUMBERS)

_RULES = {
    "measurePersonCompleteness": Rule(
        c.has_no_record, c.every_row, table="person", violated_alone=True, others=Others.OWN
    ),
    "measureConditionEraCompleteness": Rule(
        c.has_no_record,
        c.every_row,
        counting=Counting.PERSONS,
        table="condition_occurrence",
        violated_alone=True,
        others=Others.OWN,
    ),
    "measureObservationPeriodOverlap": Rule(
        c.has_overlapping_periods, c.every_row, counting=Counting.PERSONS, violated_alone=True
    ),
    "isRequired": Rule(c.is_null, c.every_row),
    "cdmDatatype": Rule(c.is_no_whole_number, c.every_row, field=NUMBERS),
    "isPrimaryKey": Rule(c.is_shared, c.every_row, violated_alone=True),
    "isForeignKey": Rule(c.is_not_elsewhere, c.every_row, violated_alone=True, others=Others.OTHER),
    "fkDomain": Rule(c.is_of_other_domain, c.every_row, Rows.CONCEPT, field=NUMBERS),
    "fkClass": Rule(c.is_of_other_class, c.every_row, Rows.CONCEPT, field=NUMBERS),
    "isStandardValidConcept": Rule(c.is_not_standard, c.has_value, Rows.CONCEPT, field=NUMBERS),
    "measureValueCompleteness": Rule(c.is_null, c.every_row),
    "standardConceptRecordCompleteness": _COMPLETENESS,
    "sourceConceptRecordCompleteness": _COMPLETENESS,
    "sourceValueCompleteness": Rule(
        c.other_is_zero,
        c.every_row,
        counting=Counting.VALUES,
        other=NUMBERS,
        violated_alone=True,
        examined_alone=True,
    ),
    "plausibleValueLow": Rule(c.is_below, c.has_value),
    "plausibleValueHigh": Rule(c.is_above, c.has_value),
    "plausibleTemporalAfter": Rule(c.is_before_other, c.every_row, field=DATES, other=DATES),
    "plausibleDuringLife": Rule(
        c.is_long_after_death, c.person_died, Rows.DEATH, field=DATES, examined_alone=True, others=Others.DEATH
    ),
    "withinVisitDates": Rule(c.is_outside_visit, c.every_row, Rows.VISIT, Rows.VISIT, field=DATES),
    "plausibleAfterBirth": Rule(c.is_before_birth, c.has_value, Rows.PERSON, field=DATES),
    "plausibleBeforeDeath": Rule(c.is_long_after_death, c.has_value, Rows.DEATH, Rows.DEATH, field=DATES),
    "plausibleStartBeforeEnd": Rule(c.is_after_other, c.both_have_values, field=DATES, other=DATES),
}
_TO_CONCEPT = Rule(c.is_no_concept, c.every_row, Rows.CONCEPT, field=NUMBERS)
_AFTER_BIRTH = Rule(c.is_before_birth_year, c.every_row, Rows.PERSON, field=DATES)


_OF_CONCEPT: dict[Condition, tuple[str, ...]] = {  # what each condition on concepts reads of them
    c.is_no_concept: (),
    c.is_of_other_domain: ("domain_id",),
    c.is_of_other_class: ("concept_class_id",),
    c.is_not_standard: ("standard_concept", "invalid_reason"),
}


def rule_of(check: Check) -> Rule | None:
    """Return the rule of a check; None when it is of another kind: of presence, or of single concepts."""
    name = check.kind.check_name
    if name == "isForeignKey" and check.other_table == "concept":
        return _TO_CONCEPT
    if name == "plausibleTemporalAfter" and check.other_table == "person":
        return _AFTER_BIRTH
    return _RULES.get(name)


def needs(check: Check, rule: Rule) -> Iterator[Need]:
    """Yield the columns that a rule reads, with the families of types that will do."""
    table = rule.table or check.cdm_table
    if check.cdm_field:
        yield table, check.cdm_field, _bound_families(check) or rule.field
    if rule.counting is Counting.PERSONS or rule.table == "person":
        yield table, "person_id", ANY
        yield check.cdm_table, "person_id", ANY
    for rows in {rule.rows, rule.examined_rows} - {Rows.OWN}:
        joined = JOINED[rows]
        yield joined.table, joined.key, ANY
        read = _OF_CONCEPT[rule.violated] if rows is Rows.CONCEPT else joined.columns
        yield from ((joined.table, column, joined.columns[column]) for column in read)
        if rows is not Rows.CONCEPT:
            yield table, joined.key, ANY
    if check.other_field:
        yield check.other_table or table, check.other_field, rule.other
    if rule.violated is c.has_overlapping_periods:
        yield table, c.PERIOD_KEY, ANY
        yield from ((table, column, DATES) for column in (c.PERIOD_START, c.PERIOD_END))


def compared(check: Check, rule: Rule) -> Iterator[tuple[Column, Column]]:
    """Yield pairs of columns whose values must be equal somewhere: a key, and what refers to it."""
    own = rule.table or check.cdm_table
    others = others_of(check, rule)
    if others is not None:
        yield (own, "person_id" if rule.others is Others.DEATH else check.cdm_field or "person_id"), others
    for rows in {rule.rows, rule.examined_rows} - {Rows.OWN}:
        joined = JOINED[rows]
        yield (own, check.cdm_field if rows is Rows.CONCEPT else joined.key), (joined.table, joined.key)


def others_of(check: Check, rule: Rule) -> tuple[str, str] | None:
    """The further table that a rule looks at, and the column by which it does."""
    match rule.others:
        case Others.DEATH:
            return "death", "person_id"
        case Others.OWN:
            return check.cdm_table, "person_id"
        case Others.OTHER:
            return check.other_table, check.other_field
    return None


def _bound_families(check: Check) -> Families | None:
    """What a field can be that is compared with a bound."""
    if not check.kind.check_name.startswith("plausibleValue"):
        return None
    return DATES if isinstance(bound(check.value, date.min), date) else NUMBERS


def problem(cdm: Cdm, needed: Iterable[Need], compared: Iterable[tuple[Column, Column]] = ()) -> str | None:
    """Tell what keeps a check from being answered: a table or column that is absent, or of a type that does not do."""
    for table, column, families in needed:
        if table not in cdm.tables:
            return f"there is no table {table}"
        family = cdm.tables[table].families.get(column)
        if family is None:
            return f"table {table} has no column {column}"
        if family not in families:
            return f"column {_typed(cdm, (table, column))}, which the check cannot compare"
    for one, other in compared:
        if not _are_comparable(*(cdm.tables[table].families[column] for table, column in (one, other))):
            return f"column {_typed(cdm, one)}, and column {_typed(cdm, other)}: they cannot be compared"
    return None


def _typed(cdm: Cdm, place: Column) -> str:
    table, column = place
    return f"{column} of table {table} is {cdm.tables[table].types[column]}"


def _are_comparable(one: Family, other: Family) -> bool:
    return one is other or {one, other} <= NUMBERS
