"""Histories of persons as arrays: every record is an item, that is a concept in a table, on a day of life."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

TABLES = (  # of records; the first six are the ones that nearly every CDM fills
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "measurement",
    "observation",
    "visit_occurrence",
    "device_exposure",
    "specimen",
    "visit_detail",
    "episode",
)
GROUPS = 20  # of persons: what an interval leaves out one by one
FEMALE, MALE, OTHER = 0, 1, 2
YEAR = 365.25


@dataclass(frozen=True)
class People:
    """Persons, one each, in the order of ``person_id``.

    ``group``: 0 to 19, drawn by the seed; ``sex``: FEMALE, MALE or OTHER; ``race``, ``ethnicity``: concepts;
    ``by``: year of birth, NaN unknown; ``origin``: the day that days are counted from, since 1970-01-01: of birth, or
    the first of observation where birth is unknown; ``start``, ``len``: first and last day of observation; ``death``:
    day of death, -1 for none.
    """

    person_id: Ints
    group: Ints
    sex: Ints
    race: Ints
    ethnicity: Ints
    by: Doubles
    origin: Ints
    start: Ints
    len: Ints
    death: Ints

    def __len__(self) -> int:
        return self.sex.size

    def taken(self, chosen: Ints) -> People:
        """Only these persons, in this order."""
        return People(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


@dataclass(frozen=True)
class Items:
    """What the item numbers of histories stand for: ``table``, a place in ``TABLES``, and ``concept``."""

    table: Ints
    concept: Ints

    def __len__(self) -> int:
        return self.concept.size

    def names(self) -> list[tuple[str, int]]:
        """Table and concept of each."""
        return [(TABLES[table], concept) for table, concept in zip(self.table, self.concept.tolist(), strict=True)]


@dataclass(frozen=True)
class Histories:
    """Persons and their records, in the order of persons, then days.

    ``offsets`` int64[n + 1]: where each person's records start; ``item`` and ``t`` int64[records]: what, and how many
    days after the person's origin.
    """

    people: People
    offsets: Ints
    item: Ints
    t: Ints

    @property
    def persons(self) -> int:
        """Number of persons."""
        return len(self.people)

    @cached_property
    def person(self) -> Ints:
        """The person of each record, from 0."""
        return np.repeat(np.arange(self.persons), np.diff(self.offsets))

    @cached_property
    def contacts(self) -> tuple[Ints, Ints, Ints]:
        """Days with records: person, day, number of records."""
        starts = np.flatnonzero(first_of_each(self.person, self.t))
        return self.person[starts], self.t[starts], np.diff(np.append(starts, self.item.size))

    def counts(self, items: int, kept: Bools | None = None) -> npt.NDArray[np.int32]:
        """Records of each person by item, int32[persons, items]; only those that ``kept`` marks."""
        cell = self.person * items + self.item
        counted = np.bincount(cell if kept is None else cell[kept], minlength=self.persons * items)
        return counted.astype(np.int32).reshape(self.persons, items)

    def first_days(self, items: int) -> Doubles:
        """The first day of each item, float64[persons, items]; NaN: never."""
        first = np.full((self.persons, items), np.inf)
        np.minimum.at(first, (self.person, self.item), self.t.astype(float))
        return np.where(np.isinf(first), np.nan, first)

    def gaps(self) -> tuple[Ints, Ints, Doubles]:
        """Days between each record and the person's next one of the same item: person, item, days."""
        order = np.lexsort((self.t, self.item, self.person))
        person, item, t = self.person[order], self.item[order], self.t[order]
        again = (person[1:] == person[:-1]) & (item[1:] == item[:-1])
        return person[1:][again], item[1:][again], np.diff(t)[again].astype(float)

    def taken(self, chosen: Ints) -> Histories:
        """Only these persons, in this order."""
        lengths = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        records = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][chosen] - offsets[:-1], lengths)
        return Histories(self.people.taken(chosen), offsets, self.item[records], self.t[records])

    def kept(self, records: Bools) -> Histories:
        """Everyone, with only the records that are marked."""
        offsets = np.concatenate([[0], np.cumsum(records)])[self.offsets]
        return replace(self, offsets=offsets, item=self.item[records], t=self.t[records])

    def folded(self) -> Histories:
        """Everyone, with one record of each item and day."""
        order = np.lexsort((self.item, self.t, self.person))
        is_first = np.zeros(order.size, bool)
        is_first[order] = first_of_each(self.person[order], self.t[order], self.item[order])
        return self.kept(is_first)


@dataclass(frozen=True)
class Measured:
    """Numbers that were measured, sorted by person, variable and minute since the person's origin.

    A variable is a concept in a unit. All are arrays of the values: ``person``, ``variable``, ``minute``, ``value``.
    """

    person: Ints
    variable: Ints
    minute: Ints
    value: Doubles

    def __len__(self) -> int:
        return self.value.size

    def kept(self, values: Bools) -> Measured:
        """Only the values that are marked."""
        return Measured(*(getattr(self, field.name)[values] for field in fields(self)))


@dataclass(frozen=True)
class Variables:
    """What the variable numbers of measured values stand for: ``concept`` and ``unit`` (0: none is told)."""

    concept: Ints
    unit: Ints

    def __len__(self) -> int:
        return self.concept.size

    def names(self) -> list[str]:
        """The concept and the unit of each, as ``3004249 8876``; without a unit, the concept."""
        pairs = zip(self.concept.tolist(), self.unit.tolist(), strict=True)
        return [f"{concept} {unit}" if unit else str(concept) for concept, unit in pairs]


def first_of_each(*columns: Ints) -> Bools:
    """Mark rows that differ from the row before."""
    changed = np.zeros(columns[0].size, dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return changed


def without_concepts(histories: Histories, items: Items, concepts: Collection[int]) -> Histories:
    """Everyone, without the records of these concepts."""
    return histories.kept(~np.isin(items.concept, list(concepts))[histories.item])
