"""What makes a row violate a check, or count for it: conditions on rows, as Ibis expressions.

Each takes the rows it looks at and the check. They follow OHDSI's DataQualityDashboard 2.8, whose rules were read off
its answers: https://ohdsi.github.io/DataQualityDashboard. A condition that is NULL does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

JOINED = "joined_"  # before the columns of a table that is joined to the rows
DAYS_AFTER_DEATH = 60
DAYS_AROUND_VISIT = 7
FEMALE, MALE = 8532, 8507
PERIOD_KEY = "observation_period_id"
PERIOD_START, PERIOD_END = "observation_period_start_date", "observation_period_end_date"


@dataclass(frozen=True)
class Examined:
    """Rows under a check: the field it is about, the other field that it names, and the value it asks for.

    ``others`` are the rows of another table that it looks at, by their column ``others_key``.
    """

    rows: ir.Table
    field: ir.Column
    other: Any = None
    value: Any = None
    others: Any = None
    others_key: str = "person_id"

    def joined(self, column: str) -> ir.Column:
        """A column of the joined table."""
        return self.rows[JOINED + column]

    @property
    def day(self) -> ir.DateValue:
        """The field as a date."""
        return self.field.cast("date")


def every_row(at: Examined) -> ir.BooleanValue:
    """All rows."""
    return ibis.literal(True)


def is_null(at: Examined) -> ir.BooleanValue:
    """No value."""
    return at.field.isnull()


def has_value(at: Examined) -> ir.BooleanValue:
    """Any value."""
    return at.field.notnull()


def is_no_whole_number(at: Examined) -> ir.BooleanValue:
    """No digits alone: a sign, or a point, which DuckDB writes in every number that is not of an integer type."""
    return at.field < 0 if at.field.type().is_integer() else at.field.notnull()


def is_zero_concept(at: Examined) -> ir.BooleanValue:
    """Concept 0, or no concept where the source had a value."""
    zero = at.field == 0
    return zero if at.other is None else zero | (at.field.isnull() & at.other.notnull())


def has_concept_or_source(at: Examined) -> ir.BooleanValue:
    """A concept, or a value of the source."""
    return at.field.notnull() if at.other is None else at.field.notnull() | at.other.notnull()


def other_is_zero(at: Examined) -> ir.BooleanValue:
    """The value of the source led to concept 0."""
    return at.other == 0


def is_below(at: Examined) -> ir.BooleanValue:
    """Below the value, which is a day or a number."""
    return (at.day if at.value.type().is_date() else at.field) < at.value


def is_above(at: Examined) -> ir.BooleanValue:
    """Above the value, which is a day or a number."""
    return (at.day if at.value.type().is_date() else at.field) > at.value


def is_before_other(at: Examined) -> ir.BooleanValue:
    """On a day before that of the other field."""
    return at.day < at.other.cast("date")


def is_after_other(at: Examined) -> ir.BooleanValue:
    """On a day after that of the other field."""
    return at.day > at.other.cast("date")


def both_have_values(at: Examined) -> ir.BooleanValue:
    """A value in this and in the other field."""
    return at.field.notnull() & at.other.notnull()


def is_before_birth(at: Examined) -> ir.BooleanValue:
    """Before the day of birth. Without one, the first of what is missing: 1 January of the year of birth."""
    parts = [_digits(at.joined("year_of_birth"), ""), _two_digits(at.joined("month_of_birth"))]
    text = parts[0] + parts[1] + _two_digits(at.joined("day_of_birth"))
    return at.day < ibis.coalesce(at.joined("birth_datetime").cast("date"), text.as_timestamp("%Y%m%d").cast("date"))


def is_before_birth_year(at: Examined) -> ir.BooleanValue:
    """Before the day of birth. Without one, before 1 June of the year of birth."""
    middle = _digits(at.joined("year_of_birth"), "") + "-06-01"
    return ibis.coalesce(at.joined("birth_datetime").cast("date"), middle.cast("date")) > at.day


def _digits(number: ir.NumericColumn, missing: str) -> ir.StringValue:
    return number.cast("string").fill_null(missing)


def _two_digits(number: ir.NumericColumn) -> ir.StringValue:
    return (ibis.literal("0") + number.cast("string")).right(2).fill_null("01")


@ibis.udf.scalar.builtin(name="add")
def _later(day: date, days: int) -> date:
    """DuckDB's date some days later: a date still, where an interval makes a timestamp of it."""


def is_long_after_death(at: Examined) -> ir.BooleanValue:
    """More than 60 days after death."""
    return at.day > _later(at.joined("death_date").cast("date"), DAYS_AFTER_DEATH)


def is_outside_visit(at: Examined) -> ir.BooleanValue:
    """More than 7 days before the visit's start or after its end."""
    first = _later(at.joined("visit_start_date").cast("date"), -DAYS_AROUND_VISIT)
    last = _later(at.joined("visit_end_date").cast("date"), DAYS_AROUND_VISIT)
    moment = at.field if at.field.type().is_temporal() else at.day
    return (moment < first) | (moment > last)


def is_no_concept(at: Examined) -> ir.BooleanValue:
    """A concept that the vocabulary does not hold."""
    return at.field.notnull() & at.joined("concept_id").isnull()


def is_of_other_domain(at: Examined) -> ir.BooleanValue:
    """A concept of another domain than the one asked for. Concept 0 is of any."""
    return (at.joined("concept_id") != 0) & (at.joined("domain_id") != at.value)


def is_of_other_class(at: Examined) -> ir.BooleanValue:
    """A concept of another class than the one asked for. Concept 0 is of any."""
    return (at.joined("concept_id") != 0) & (at.joined("concept_class_id") != at.value)


def is_not_standard(at: Examined) -> ir.BooleanValue:
    """A concept that is not standard, or no longer valid. Concept 0 is neither."""
    is_standard = (at.joined("standard_concept") == "S").fill_null(False)
    return (at.joined("concept_id") != 0) & (~is_standard | at.joined("invalid_reason").notnull())


def is_of_other_gender(at: Examined) -> ir.BooleanValue:
    """A person known to be of another gender than the one asked for."""
    return at.joined("gender_concept_id") != ibis.cases((at.value == "Male", MALE), else_=FEMALE)


def is_shared(at: Examined) -> ir.BooleanValue:
    """A value that more than one row has."""
    filled = at.rows.select(key=at.field).filter(lambda rows: rows.key.notnull())
    return at.field.isin(filled.group_by("key").having(lambda rows: rows.count() > 1).agg().key)


def is_not_elsewhere(at: Examined) -> ir.BooleanValue:
    """A value that the table it refers to does not have."""
    return at.field.notnull() & ~at.field.isin(at.others[at.others_key]).fill_null(False)


def person_died(at: Examined) -> ir.BooleanValue:
    """A person with a row in death."""
    return at.rows.person_id.isin(at.others[at.others_key])


def has_no_record(at: Examined) -> ir.BooleanValue:
    """A person without a row in the table that the check is about."""
    return at.field.notnull() & ~_is_in(at.field, at.others, at.others_key)


def has_overlapping_periods(at: Examined) -> ir.BooleanValue:
    """A person with two observation periods that share a day, or of which one ends the day before the other starts."""
    start, end = (at.rows[column].cast("date") for column in (PERIOD_START, PERIOD_END))
    one = at.rows.select(person_id=at.field, key=PERIOD_KEY, start=start, end=end)
    two = one.view()
    day = ibis.interval(days=1)
    share_a_day = (one.start <= two.end) & (one.end >= two.start)
    touch = (one.end + day == two.start) | (two.end + day == one.start)
    pairs = one.join(two, [one.person_id == two.person_id, one.key != two.key, share_a_day | touch])
    return _is_in(at.field, pairs.select(person_id=one.person_id), "person_id")


def _is_in(person_id: ir.Column, rows: ir.Table, key: str) -> ir.BooleanValue:
    """Whether any row has the person. Distinct first, so that the set is as large as the persons, not the rows."""
    return person_id.isin(rows.select(key).distinct()[key]).fill_null(False)
