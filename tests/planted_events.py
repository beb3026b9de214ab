"""A made hospital in which events befall people by rules that are known, to be learned and found again."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any

import numpy as np

from omopsql.synth.hospital import events as layer
from omopsql.synth.hospital.counting import counted
from omopsql.synth.hospital.events.series import Series
from omopsql.synth.hospital.lives import Events, People, Periods, offsets_of, owners
from omopsql.synth.hospital.plan import PERSONS, TABLE_NUMBERS, Items, Plan
from omopsql.synth.hospital.plan import RULES as PLAN_RULES
from omopsql.synth.hospital.release import release
from omopsql.synth.hospital.sums import Sums

MIN_CELL = 10
RULES = {**PLAN_RULES, **layer.RULES}
MALE, FEMALE = 8507, 8532
_YEAR = 365.25

# The items of the made hospital, in the order of table and concept.
ITEMS = {
    "arthrosis": ("condition_occurrence", 1),  # of the old
    "pregnancy": ("condition_occurrence", 2),  # of women
    "blood_group_a": ("condition_occurrence", 3),
    "blood_group_b": ("condition_occurrence", 4),  # never with the other
    "rash": ("condition_occurrence", 5),  # soon after the antibiotic
    "sepsis": ("condition_occurrence", 6),  # with one of two germs
    "check_up": ("procedure_occurrence", 1),  # every year
    "blood_count": ("procedure_occurrence", 2),  # with both of its measurements
    "antibiotic": ("drug_exposure", 1),
    "measles_dose": ("drug_exposure", 2),  # three
    "polio_dose": ("drug_exposure", 3),  # two, on the days of the first two
    "haemoglobin": ("measurement", 1),
    "leucocytes": ("measurement", 2),
    "germ_a": ("observation", 1),
    "germ_b": ("observation", 2),  # never on a day with the other
}
NUMBER = {name: number for number, name in enumerate(ITEMS)}
DOSE_DAYS = (60, 120, 300)


@dataclass(frozen=True)
class Hospital:
    """People and what befell them."""

    people: People
    events: Events

    def some(self, taken: np.ndarray) -> Hospital:
        """Some of the people, in the order that is asked for."""
        people = People(*(getattr(self.people, field.name)[taken] for field in fields(People)))
        place = np.full(len(self.people), -1)
        place[taken] = np.arange(len(taken))
        person = place[owners(self.events.offsets)]
        kept = person >= 0
        return Hospital(people, events_of(len(taken), person[kept], self.events.item[kept], self.events.day[kept]))

    def renumbered(self, number: np.ndarray) -> Hospital:
        """The same records under other numbers of the items."""
        item = number[self.events.item]
        return Hospital(self.people, events_of(len(self.people), owners(self.events.offsets), item, self.events.day))

    def count(self, name: str) -> np.ndarray:
        """On how many days each person has an item."""
        mine = self.events.item == NUMBER[name]
        return np.bincount(owners(self.events.offsets)[mine], minlength=len(self.people))

    def days(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The persons and the days of an item."""
        mine = self.events.item == NUMBER[name]
        return owners(self.events.offsets)[mine], self.events.day[mine].astype(np.int64)

    def on_days(self, name: str) -> set[tuple[int, int]]:
        """The days of an item: (person, day)."""
        return set(zip(*(column.tolist() for column in self.days(name)), strict=True))


def events_of(persons: int, person: np.ndarray, item: np.ndarray, day: np.ndarray) -> Events:
    rows = np.unique(np.column_stack([person, day, item]).astype(np.int64), axis=0)
    whole = (rows[:, 2].astype(np.int32), rows[:, 1].astype(np.int32))
    return Events(offsets_of(rows[:, 0], persons), *whole, np.arange(len(rows)), np.zeros(0, np.int32))


def planted_items() -> Items:
    table = [TABLE_NUMBERS[name] for name, _ in ITEMS.values()]
    return Items(np.array(table, np.int32), np.array([concept for _, concept in ITEMS.values()], np.int64))


def planted_people(n: int, random: np.random.Generator) -> People:
    """Half are observed from birth on, half from some day of their adult life; for three to fifteen years."""
    is_child = random.random(n) < 0.5
    start = np.where(is_child, 0, random.integers(20 * 365, 80 * 365, n))
    end = start + random.integers(3 * 365, 15 * 365, n)
    birth = 14600 + random.integers(0, 2000, n) - start
    sex = random.choice([MALE, FEMALE], n)
    zero = np.zeros(n, np.int64)
    return People(sex, zero, zero, *(days.astype(np.int32) for days in (birth, start, end, np.full(n, -1))))


def planted_hospital(n: int, seed: int = 1) -> Hospital:
    """Plant what the model must find."""
    random = np.random.default_rng(seed)
    people = planted_people(n, random)
    start, end = people.start.astype(np.int64), people.end.astype(np.int64)
    found: list[tuple[np.ndarray, str, np.ndarray]] = []

    def has(name: str, share: Any, persons: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        taken = np.flatnonzero((random.random(n) < share) & (True if persons is None else persons))
        day = random.integers(start[taken], end[taken] + 1)
        found.append((taken, name, day))
        return taken, day

    is_child = start == 0
    has("arthrosis", np.where(is_child, 0.02, np.where(start > 50 * 365, 0.6, 0.2)))
    has("pregnancy", 0.4, (people.sex == FEMALE) & ~is_child)
    group = random.random(n)
    has("blood_group_a", 1.0, group < 0.3)
    has("blood_group_b", 1.0, group > 0.6)
    treated, day = has("antibiotic", 0.4)
    reacts = random.random(len(treated)) < 0.6
    found.append((treated[reacts], "rash", day[reacts] + random.integers(1, 30, reacts.sum())))
    has("rash", 0.05)
    septic, day = has("sepsis", 0.3)
    germ = random.random(len(septic)) < 0.5
    found += [(septic[germ], "germ_a", day[germ]), (septic[~germ], "germ_b", day[~germ])]
    counted_on, day = has("blood_count", 0.5)
    found += [(counted_on, "haemoglobin", day), (counted_on, "leucocytes", day)]
    checked = np.flatnonzero((random.random(n) < 0.5) & ~is_child)
    first = start[checked] + random.integers(0, 365, len(checked))
    found += [(checked, "check_up", first + 365 * k) for k in range(6)]
    vaccinated = np.flatnonzero((random.random(n) < 0.9) & is_child)
    found += [(vaccinated, "measles_dose", np.full(len(vaccinated), day)) for day in DOSE_DAYS]
    found += [(vaccinated, "polio_dose", np.full(len(vaccinated), day)) for day in DOSE_DAYS[:2]]
    person = np.concatenate([person for person, _, _ in found])
    item = np.concatenate([np.full(len(person), NUMBER[name]) for person, name, _ in found])
    day = np.concatenate([day for _, _, day in found])
    seen = (day >= start[person]) & (day <= end[person])
    return Hospital(people, events_of(n, person[seen], item[seen], day[seen]))


def site_of(hospital: Hospital) -> Any:
    def events(items: Items, without: frozenset[int] = frozenset()) -> Events:
        return hospital.events

    observed = Periods.whole(hospital.people)
    return SimpleNamespace(people=hospital.people, observed=observed, own_items=planted_items(), events=events)


def margins_of(hospital: Hospital) -> Sums:
    """The first round of the layer, and the persons of each item."""
    items = planted_items()
    series = Series.of(hospital.events.offsets, hospital.events.item, hospital.events.day)
    keys, n = counted(series.item)
    persons = Sums()
    persons.put(PERSONS, np.column_stack([items.table, items.concept])[keys[:, 0]], n)
    return Sums.merged([persons, layer.margins(site_of(hospital))])


def plan_of(margins: Sums) -> Plan:
    return Plan(release(margins, RULES, MIN_CELL), MIN_CELL)


def released_of(hospital: Hospital) -> tuple[Sums, Plan]:
    plan = plan_of(margins_of(hospital))
    exact = layer.sums(site_of(hospital), plan)
    return Sums.merged([plan.margins, release(exact, RULES, MIN_CELL)]), plan


def model_of(hospital: Hospital) -> layer.EventModel:
    return layer.compiled(*released_of(hospital), planted_people(10_000, np.random.default_rng(3)))


def relived(model: layer.EventModel, people: People, seed: int = 1) -> Hospital:
    return Hospital(people, layer.generate(model, people, seed, np.arange(1, len(people) + 1)))


@dataclass(frozen=True)
class Learned:
    """A planted hospital, its model, and what befell the synthetic people of one more like it."""

    source: Hospital
    model: layer.EventModel
    made: Hospital


def model_of_items(hospital: Hospital, kept: list[str]) -> layer.EventModel:
    """The model of a hospital that has only some of the items, which are numbered anew."""
    number = np.full(len(ITEMS), -1)
    number[sorted(NUMBER[name] for name in kept)] = np.arange(len(kept))
    own = hospital.renumbered(number)
    every = planted_items()
    taken = np.flatnonzero(number >= 0)
    items = Items(every.table[taken], every.concept[taken])
    site: Any = SimpleNamespace(
        people=own.people,
        observed=Periods.whole(own.people),
        own_items=items,
        events=lambda items, without=frozenset(): own.events,
    )
    keys, n = counted(Series.of(own.events.offsets, own.events.item, own.events.day).item)
    persons = Sums()
    persons.put(PERSONS, np.column_stack([items.table, items.concept])[keys.reshape(-1)], n)
    plan = plan_of(Sums.merged([persons, layer.margins(site)]))
    exact = layer.sums(site, plan)
    released = Sums.merged([plan.margins, release(exact, RULES, MIN_CELL)])
    return layer.compiled(released, plan, planted_people(10_000, np.random.default_rng(3)))
