"""The conditions as SQL: each is compiled once, on columns named for their part, and then given a check's columns.

There are some forty conditions and types to compare, and thousands of checks. Ibis compiles the first; for a check, the
quoted names of the parts give way to the quoted names of its own columns and tables.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from . import conditions as c
from .opened import Family
from .rules import Condition, Counting

ROWS, OTHERS, KEY = "the rows", "the other rows", "the key"
_PART = re.compile(r'(?P<owner>"t\d+"\.)?"the (?P<part>[a-z ]+?)(?: of \w+)?"')


@dataclass(frozen=True)
class Shape:
    """A condition, what it counts, and the families of what it compares: of these depends its SQL.

    ``more`` are further columns of the rows that it looks at, under their own names.
    """

    condition: Condition
    counting: Counting
    field: Family
    other: Family | None
    value_is_date: bool
    more: tuple[tuple[str, Family], ...]
    key: Family | None

    @property
    def columns(self) -> dict[str, Family]:
        """The columns that stand for the check's, and those with names of their own."""
        columns = {_named("field", self.field): self.field, _named("value", self._value): self._value}
        if self.other is not None:
            columns[_named("other field", self.other)] = self.other
        return columns | dict(self.more)

    @property
    def _value(self) -> Family:
        return Family.DATE if self.value_is_date else Family.NUMBER

    def on(self, rows: ir.Table) -> c.Examined:
        """See rows that have the columns as the condition does."""
        # a second column, because Ibis writes * for all columns, and the real rows have more
        others = None if self.key is None else ibis.table({KEY: self.key.value, "rest": "int64"}, name=OTHERS)
        other = None if self.other is None else rows[_named("other field", self.other)]
        field, value = rows[_named("field", self.field)], rows[_named("value", self._value)]
        return c.Examined(rows, field, other, value, others, KEY)


def _named(part: str, family: Family) -> str:
    return f"the {part} of {family.value}"


@dataclass(frozen=True)
class Template:
    """SQL with parts, each a quoted name."""

    sql: str

    def of(self, parts: dict[str, str]) -> str:
        """Give the parts their SQL: ``field``, ``other field``, ``value``, ``rows``, ``other rows`` and ``key``."""

        def part(found: re.Match[str]) -> str:
            name = found["part"]
            owner = "" if name == "value" or found["owner"] is None else found["owner"]
            return owner + parts[name]

        return _PART.sub(part, self.sql)


@ibis.udf.agg.builtin
def count_if(condition: bool) -> int:
    """DuckDB's count of the rows for which a condition holds."""


def aggregates(shapes: Collection[Shape]) -> dict[Shape, Template]:
    """Compile counts that share a scan of rows, which the scan must call ``t0``."""
    if not shapes:
        return {}
    columns: dict[str, Family] = {}
    for shape in shapes:
        columns |= shape.columns
    rows = ibis.table({name: family.value for name, family in columns.items()}, name=ROWS)
    named = {f"n{number}": _aggregate(shape, rows) for number, shape in enumerate(shapes)}
    listed = to_sql(rows.aggregate(**named)).removeprefix("SELECT ").rpartition(" FROM ")[0]
    *texts, _ = re.split(r' AS "n\d+"(?:, )?', listed)
    return {shape: Template(text) for shape, text in zip(shapes, texts, strict=True)}


def _aggregate(shape: Shape, rows: ir.Table) -> ir.Scalar:
    """Count the rows for which a condition holds. Plain counts cost DuckDB least."""
    at = shape.on(rows)
    if shape.counting is Counting.PERSONS:
        return at.field.nunique()
    if shape.condition is c.every_row:
        return rows.count()
    if shape.condition is c.has_value:
        return at.field.count()
    if shape.condition is c.is_null:
        return rows.count() - at.field.count()
    return count_if(shape.condition(at))


def queries(shapes: Collection[Shape]) -> dict[Shape, Template]:
    """Compile counts that need a query of their own."""
    return {shape: Template(to_sql(_query(shape))) for shape in shapes}


def _query(shape: Shape) -> ir.Table:
    rows = ibis.table({name: family.value for name, family in shape.columns.items()}, name=ROWS)
    at = shape.on(rows)
    held = rows if shape.condition is c.every_row else rows.filter(shape.condition(at))
    if shape.counting is Counting.ROWS:
        return held.aggregate(n=held.count())
    different = held.select(value=held[at.field.get_name()]).distinct()
    return different.aggregate(n=different.count())


def to_sql(expression: ir.Table) -> str:
    """Compile for DuckDB."""
    return str(ibis.to_sql(expression, dialect="duckdb", pretty=False))
