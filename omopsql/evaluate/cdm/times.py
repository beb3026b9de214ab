"""When records come: gaps between those of a concept, age at the first, and incidence by age.

Incidence is new cases, persons' first records of a concept after the first day of observation, by years under
observation without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .histories import TABLES, YEAR, Doubles, Histories, Ints
from .hospitals import Comparison
from .scores import Additive, Sample, Score, averaged, each, ks, scored, total

NEEDS = {
    "age_at_first_ks": "needs a concept that 50 real persons have",
    "gap_ks": "needs a concept with 50 gaps on the real side",
    "incidence_distance": "needs a concept with 50 new cases in real persons, observed for a year on average",
}
_LEAST = 50  # persons, gaps or new cases
_MOST_CONCEPTS = 300
_MOST_TOLD = 50  # concepts with a row of their own
_AGES = 120
_CLINICAL = np.array([TABLES.index(name) for name in TABLES if name not in ("visit_occurrence", "visit_detail")])


def scores(of: Comparison) -> Iterator[Score]:
    """Score ages at the first record, gaps and incidence: means over concepts, and each of the commonest concepts."""
    items = of.hospitals.items
    firsts = [_Firsts(side.histories, len(items)) for side in of.sides]
    persons = of.hospitals.real.persons_with(len(items))
    often = np.argsort(-persons, kind="stable")[:_MOST_CONCEPTS]
    often = often[persons[often] >= _LEAST]
    yield from _ages(of, firsts, often)
    yield from _gaps(of)
    yield from _incidence(of, firsts, often[np.isin(items.table[often], _CLINICAL)])


class _Firsts:
    """The first record of each person and item: ``person``, ``item``, ``day``, sorted by item."""

    def __init__(self, histories: Histories, items: int) -> None:
        key = histories.item * histories.persons + histories.person
        known, first = np.unique(key, return_index=True)  # records of a person are in the order of days
        self.item, self.person = np.divmod(known, max(histories.persons, 1))
        self.day = histories.t[first]
        self.people = histories.people
        self.persons = np.bincount(self.item, minlength=items)
        self.starts = np.concatenate([[0], np.cumsum(self.persons)])

    def of(self, item: int) -> tuple[Ints, Ints]:
        """Persons and days of an item's first records."""
        place = slice(self.starts[item], self.starts[item + 1])
        return self.person[place], self.day[place]

    def sample(self, item: int) -> Sample:
        """Days of an item's first records, with the groups of the persons."""
        person, day = self.of(item)
        return Sample(day.astype(float), self.people.group[person])


def _ages(of: Comparison, firsts: list[_Firsts], often: Ints) -> Iterator[Score]:
    found = [ks([first.sample(item) for first in firsts], of.groups) for item in often]
    yield scored("age_at_first_ks", averaged(found), of.persons)
    names = of.hospitals.items.names()
    for item, distance in zip(often[:_MOST_TOLD], found[:_MOST_TOLD], strict=True):
        table, concept = names[item]
        n = int(min(first.persons[item] for first in firsts))
        yield scored("age_at_first_ks", distance, n, table, str(concept))


def _gaps(of: Comparison) -> Iterator[Score]:
    items = of.hospitals.items
    gaps = [_gaps_by_item(side.histories, len(items)) for side in of.sides]
    number = np.array([sample.value.size for sample in gaps[0]], np.int64)
    often = np.argsort(-number, kind="stable")[:_MOST_CONCEPTS]
    often = often[number[often] >= of.least(_LEAST)]
    found = [ks([side[item] for side in gaps], of.groups) for item in often]
    yield scored("gap_ks", averaged(found), of.persons)
    names = items.names()
    for item, distance in zip(often[:_MOST_TOLD], found[:_MOST_TOLD], strict=True):
        table, concept = names[item]
        n = min(side[item].value.size for side in gaps)
        yield scored("gap_ks", distance, n, table, str(concept))


def _gaps_by_item(histories: Histories, items: int) -> list[Sample]:
    person, item, days = histories.gaps()
    order = np.argsort(item, kind="stable")
    ends = np.searchsorted(item[order], np.arange(1, items))
    group = histories.people.group[person[order]]
    return [Sample(*own) for own in zip(np.split(days[order], ends), np.split(group, ends), strict=True)]


@dataclass(frozen=True)
class Incidence(Additive):
    """New cases and years under observation by year of age, each [120]."""

    cases: Ints
    years: Doubles

    @property
    def rate(self) -> Doubles:
        """New cases a year; 0 at an age that nobody is observed at."""
        return np.asarray(self.cases / np.where(self.years > 0, self.years, 1.0))


def _incidence(of: Comparison, firsts: list[_Firsts], clinical: Ints) -> Iterator[Score]:
    found, told = [], []
    for item in clinical:
        counted = [_cases(first, item, of.groups) for first in firsts]
        real, synthetic = (total(parts) for parts in counted)
        if real.cases.sum() >= of.least(_LEAST) and real.years.sum() >= len(of.real.people):
            found.append(each(_rate_distance, *counted)["distance"])
            told.append((item, int(min(real.cases.sum(), synthetic.cases.sum()))))
    yield scored("incidence_distance", averaged(found), of.persons)
    names = of.hospitals.items.names()
    for (item, cases), distance in list(zip(told, found, strict=True))[:_MOST_TOLD]:
        table, concept = names[item]
        yield scored("incidence_distance", distance, cases, table, str(concept))


def _rate_distance(real: Incidence, synthetic: Incidence) -> dict[str, float]:
    """How many new cases more or fewer there are up to any age, at synthetic rates in real years; by real cases."""
    cases = real.cases.sum()
    more = np.cumsum(synthetic.rate * real.years - real.cases)
    return {"distance": float(np.abs(more).max() / cases) if cases else np.nan}


def _cases(of: _Firsts, item: int, groups: int) -> list[Incidence]:
    """New cases of an item in each group of persons; in all when there are no groups."""
    people = of.people
    group = people.group if groups else np.zeros(len(people), np.int64)
    person, day = of.of(item)
    until = people.len.copy()
    until[person] = np.minimum(day, until[person])
    is_new = day > people.start[person]
    cells = max(groups, 1) * _AGES
    age = np.minimum(day / YEAR, _AGES - 1).astype(np.int64)
    cases = np.bincount((group[person] * _AGES + age)[is_new], minlength=cells)
    years = _years_before(np.maximum(until, people.start), group, cells) - _years_before(people.start, group, cells)
    return [Incidence(*part) for part in zip(cases.reshape(-1, _AGES), years.reshape(-1, _AGES), strict=True)]


def _years_before(day: Ints, group: Ints, cells: int) -> Doubles:
    """Years that persons live at each age before a day; by group and age, [cells]."""
    age = np.minimum(day / YEAR, _AGES - 1e-9)
    whole = age.astype(np.int64)
    cell = group * _AGES + whole
    begun = np.bincount(cell, age - whole, minlength=cells)
    reached = np.bincount(cell, minlength=cells).reshape(-1, _AGES)
    after = np.cumsum(reached[:, ::-1], axis=1)[:, ::-1] - reached  # who lives through the whole year
    return begun + after.ravel()
