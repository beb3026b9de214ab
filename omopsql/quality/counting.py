"""Counting: all conditions on the same rows are counted in one scan of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import duckdb

from omopsql.errors import first_line
from omopsql.quoting import identifier, literal

from . import conditions as c
from .checks import Check, bound
from .conditions import JOINED as PREFIX
from .counts import Counts
from .keys import differ
from .opened import Cdm, Family
from .references import is_joined_key, missing, references
from .rules import JOINED, Condition, Rows, Rule, others_of, rule_of
from .templates import Shape, aggregates, queries


@dataclass(frozen=True)
class Side:
    """The rows that violate a check, or those that it examines: a condition on the rows of a table, maybe joined."""

    check: Check
    rule: Rule
    is_violated: bool

    @property
    def table(self) -> str:
        """The table whose rows they are."""
        return self.rule.table or self.check.cdm_table

    @property
    def rows(self) -> Rows:
        """What the table is joined to."""
        return self.rule.rows if self.is_violated else self.rule.examined_rows

    @property
    def is_alone(self) -> bool:
        """Whether it takes a query of its own."""
        return self.rule.violated_alone if self.is_violated else self.rule.examined_alone

    @property
    def condition(self) -> Condition:
        """Which of the rows count."""
        return self.rule.violated if self.is_violated else self.rule.examined

    @property
    def field(self) -> str:
        """The column that it is about."""
        return self.check.cdm_field or "person_id"

    def shape(self, cdm: Cdm) -> Shape:
        """What its SQL depends on."""
        families = cdm.tables[self.table].families
        others = others_of(self.check, self.rule) if self.is_alone else None
        return Shape(
            self.condition,
            self.rule.counting,
            families[self.field],
            None if self.rule.others else families.get(self.check.other_field),
            isinstance(bound(self.check.value, date.min), date),
            tuple(self._more(cdm)),
            cdm.tables[others[0]].families[others[1]] if others else None,
        )

    def _more(self, cdm: Cdm) -> Iterable[tuple[str, Family]]:
        own = cdm.tables[self.table].families
        yield from ((column, own[column]) for column in _NAMED.get(self.condition, ()))
        if self.rows in JOINED:
            joined = JOINED[self.rows]
            families = cdm.tables[joined.table].families
            yield from ((PREFIX + column, families[column]) for column in joined.columns)

    def parts(self, cdm: Cdm, today: date) -> dict[str, str]:
        """The SQL of what its template leaves open."""
        others = others_of(self.check, self.rule)
        return {
            "rows": identifier(cdm.tables[self.table].view),
            "field": identifier(self.field),
            "other field": identifier(self.check.other_field),
            "value": _value_sql(bound(self.check.value, today)),
            "other rows": identifier(cdm.tables[others[0]].view) if others else "",
            "key": identifier(others[1]) if others else "",
        }


def _value_sql(value: date | float | str) -> str:
    match value:
        case date():
            return f"DATE {literal(value.isoformat())}"
        case float():
            return repr(value)
        case str():
            return literal(value)


_NAMED: dict[Condition, tuple[str, ...]] = {  # columns that a condition looks at by their names
    c.has_overlapping_periods: (c.PERIOD_KEY, c.PERIOD_START, c.PERIOD_END),
    c.person_died: ("person_id",),
}
Counter = Callable[[Cdm, list[Side], date], list[int]]


def count(cdm: Cdm, checks: Iterable[Check], today: date) -> dict[Check, Counts]:
    """Count the rows of checks whose columns are all there: few scans for each table and join.

    A value that cannot be read, such as a text in a column of dates, fails a scan. Its checks are then asked one by
    one, and those that fail say why.
    """
    ruled = {check: rule for check in checks if (rule := rule_of(check))}
    keys = {check: rule for check, rule in ruled.items() if is_joined_key(check)}
    counts = _count(cdm, keys, today)
    unique = {check.cdm_table for check in keys if counts[check].violated == 0}
    found_by_join = references(ruled, unique)
    counts |= _count(cdm, {check: rule for check, rule in (ruled | found_by_join).items() if check not in keys}, today)
    return counts | {check: missing(check, counts) for check in found_by_join}


def _count(cdm: Cdm, ruled: dict[Check, Rule], today: date) -> dict[Check, Counts]:
    sides = [Side(check, rule, is_violated) for check, rule in ruled.items() for is_violated in (True, False)]
    counters: dict[bool, Counter] = {False: _Shared(cdm, sides), True: _Alone(cdm, sides)}
    groups: dict[tuple[str, Rows, bool], list[Side]] = defaultdict(list)
    for side in sides:
        groups[side.table, side.rows, side.is_alone].append(side)
    found: dict[Side, int | str] = {}
    for (*_, is_alone), members in groups.items():
        found |= {side: 0 for side in members if _is_proven(cdm, side)}
        unproven = [side for side in members if side not in found]
        if unproven:
            found.update(_or_one_by_one(counters[is_alone], cdm, unproven, today))
    pairs = zip(sides[::2], sides[1::2], strict=True)
    return {violated.check: _counts(found[violated], found[examined]) for violated, examined in pairs}


def _is_proven(cdm: Cdm, side: Side) -> bool:
    """Whether it is known without counting that no row violates the check."""
    return side.is_violated and side.rule.violated is c.is_shared and differ(cdm, side.table, side.field)


def _counts(violated: int | str, examined: int | str) -> Counts:
    if isinstance(violated, str) or isinstance(examined, str):
        return Counts(error=str(violated if isinstance(violated, str) else examined))
    return Counts(violated, examined)


def _or_one_by_one(counter: Counter, cdm: Cdm, sides: list[Side], today: date) -> dict[Side, int | str]:
    try:
        return dict(zip(sides, counter(cdm, sides, today), strict=True))
    except duckdb.Error as error:
        if len(sides) == 1:
            return {sides[0]: first_line(error)}
    found: dict[Side, int | str] = {}
    for side in sides:
        found.update(_or_one_by_one(counter, cdm, [side], today))
    return found


class _Shared:
    """Counts of conditions on the same rows, in one scan of them."""

    def __init__(self, cdm: Cdm, sides: Iterable[Side]) -> None:
        self.shapes = {side: side.shape(cdm) for side in sides if not side.is_alone}
        self.templates = aggregates(dict.fromkeys(self.shapes.values()))

    def __call__(self, cdm: Cdm, sides: list[Side], today: date) -> list[int]:
        texts = [self.templates[self.shapes[side]].of(side.parts(cdm, today)) for side in sides]
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        answers = cdm.cursor.execute(f"SELECT {', '.join(places)} FROM {_rows_sql(cdm, sides[0])}").fetchall()[0]
        return [int(answers[places[text]] or 0) for text in texts]  # count_if of no rows is NULL


def _rows_sql(cdm: Cdm, side: Side) -> str:
    own = identifier(cdm.tables[side.table].view)
    if side.rows is Rows.OWN:
        return f'{own} AS "t0"'
    joined = JOINED[side.rows]
    partner = identifier(cdm.tables[joined.table].view)
    taken = ", ".join(f"partner.{identifier(column)} AS {identifier(PREFIX + column)}" for column in joined.columns)
    key = identifier(joined.key)
    return f'(SELECT own.*, {taken} FROM {own} AS own JOIN {partner} AS partner ON own.{key} = partner.{key}) AS "t0"'


class _Alone:
    """Counts of conditions that take a query each; sent together, for each table and join."""

    def __init__(self, cdm: Cdm, sides: Iterable[Side]) -> None:
        self.shapes = {side: side.shape(cdm) for side in sides if side.is_alone}
        self.templates = queries(dict.fromkeys(self.shapes.values()))

    def __call__(self, cdm: Cdm, sides: list[Side], today: date) -> list[int]:
        texts = [self.templates[self.shapes[side]].of(side.parts(cdm, today)) for side in sides]
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        every = " UNION ALL ".join(f"SELECT {place}, n FROM ({text})" for text, place in places.items())
        answers = dict(cdm.cursor.execute(every).fetchall())
        return [int(answers[places[text]]) for text in texts]
