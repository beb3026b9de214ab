"""Persons of whole CDMs as vectors with the same columns on every side: what classifiers, distances and attacks see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from .histories import FEMALE, MALE, TABLES, YEAR, Doubles, Histories, Ints, Measured, without_concepts
from .hospitals import Hospital, Hospitals, open_hospitals

MOST_PERSONS = 20_000  # of a side: a vector is wide
_LEAST_PERSONS = 10  # who have a concept, on the real side
_LEAST_MEASURED = 20  # persons of whom something was measured, on the real side
_MOST_CONCEPTS, _MOST_VARIABLES = 500, 100


@dataclass(frozen=True)
class Until:
    """Persons and the day, since 1970-01-01, before which their records count; others count wholly."""

    person_id: Ints
    day: Ints


@dataclass(frozen=True)
class Records:
    """The records of one side, by person and day: the person's place among the ids, ``TABLES`` by number, concept, day.

    Days are counted from birth, or from the first day of observation where birth is unknown.
    """

    person: Ints
    table: Ints
    concept: Ints
    day: Ints


@dataclass(frozen=True)
class Persons:
    """Persons as vectors: the name of each column, and for each side a matrix (n, columns) and the person's ids (n).

    Sides are in the order real, synthetic, holdout. What was not measured in a person is NaN, and so is an unknown age.
    """

    names: tuple[str, ...]
    sides: tuple[Doubles, ...]
    person_ids: tuple[Ints, ...]
    hospitals: Hospitals

    def events(self, side: int) -> Records:
        """Return the records of a side: 0 real, 1 synthetic, 2 holdout."""
        histories, items = self.hospitals.every[side].histories, self.hospitals.items
        return Records(histories.person, items.table[histories.item], items.concept[histories.item], histories.t)


def read(
    cursor: duckdb.DuckDBPyConnection,
    real: str,
    synthetic: str,
    holdout: str | None = None,
    *,
    persons: int = MOST_PERSONS,
    until: Sequence[Until | None] = (),
    without: Collection[int] = (),
    seed: int = 0,
) -> Persons:
    """Read CDMs as persons; at most so many of each, drawn by the seed.

    With ``until``, one for each side, only what came before a person's day counts, and death is left out. Records of
    the concepts in ``without`` are passed over. Raises OmopsqlError when a CDM cannot be read or has no persons.
    """
    return vectors(open_hospitals(cursor, real, synthetic, holdout, persons=persons, seed=seed), until, without)


def vectors(hospitals: Hospitals, until: Sequence[Until | None] = (), without: Collection[int] = ()) -> Persons:
    """Write the persons of CDMs that are open as vectors, as ``read`` does.

    Columns: male, sex unknown; age at the first day of observation; years observed; died; race and ethnicity; for each
    concept of a table that 10 real persons have (at most 500) whether a person has it, and for each table whether any
    other; the records of each table; mean, smallest, largest and last value of each concept and unit that was measured
    in 20 real persons (at most 100). Columns that are the same everywhere are left out.
    """
    days = [_last_days(side, limit) for side, limit in zip(hospitals.every, until, strict=True)] if until else None
    seen = [side if days is None else _before(side, days[place]) for place, side in enumerate(hospitals.every)]
    histories = [without_concepts(side.histories, hospitals.items, without) for side in seen]
    measured = [_without_variables(hospitals, side.measured, without) for side in seen]
    lengths = [side.people.len for side in seen] if days is None else days
    parts = [
        _described(hospitals, lengths, has_death=days is None),
        _recorded(hospitals, histories),
        _summarised(hospitals, measured),
    ]
    names = [name for names, _ in parts for name in names]
    matrices = [np.column_stack([part[place] for _, part in parts]) for place in range(len(seen))]
    varied = _varied(matrices)
    told = tuple(name for name, is_varied in zip(names, varied, strict=True) if is_varied)
    ids = tuple(side.people.person_id for side in seen)
    return Persons(told, tuple(np.ascontiguousarray(matrix[:, varied]) for matrix in matrices), ids, hospitals)


_Columns = tuple[list[str], list[Doubles]]  # names, and a matrix for each side


def _last_days(side: Hospital, until: Until | None) -> Ints:
    """The day of life before which each person's records count; the end of observation where none is given."""
    people = side.people
    if until is None or not until.person_id.size:
        return people.len + 1
    order = np.argsort(until.person_id, kind="stable")
    ids, given = until.person_id[order], until.day[order]
    place = np.minimum(np.searchsorted(ids, people.person_id), ids.size - 1)
    return np.where(ids[place] == people.person_id, given[place] - people.origin, people.len + 1)


def _before(side: Hospital, days: Ints) -> Hospital:
    histories, measured = side.histories, side.measured
    is_early = measured.minute < days[measured.person] * 1440
    early = histories.kept(histories.t < days[histories.person])
    return Hospital(side.name, side.persons, early, measured.kept(is_early))


def _without_variables(hospitals: Hospitals, measured: Measured, concepts: Collection[int]) -> Measured:
    return measured.kept(~np.isin(hospitals.variables.concept, list(concepts))[measured.variable])


def _described(hospitals: Hospitals, lengths: list[Ints], *, has_death: bool) -> _Columns:
    """Who persons are, and how long they are observed."""
    names = ["male", "sex unknown", "age", "years observed", *["died"] * has_death]
    sides = []
    for side, last in zip(hospitals.every, lengths, strict=True):
        people = side.people
        age = np.where(np.isnan(people.by), np.nan, people.start / YEAR)
        columns = [people.sex == MALE, (people.sex != MALE) & (people.sex != FEMALE), age]
        columns += [np.maximum(np.minimum(last, people.len) - people.start, 0) / YEAR, *[people.death >= 0] * has_death]
        sides.append(np.column_stack(columns).astype(float))
    for field in ("race", "ethnicity"):
        known, count = np.unique(getattr(hospitals.real.people, field), return_counts=True)
        often = known[(count >= _LEAST_PERSONS) & (known > 0)]
        names += [f"{field} {concept}" for concept in often.tolist()]
        sides = [
            np.column_stack([matrix, getattr(side.people, field)[:, None] == often])
            for matrix, side in zip(sides, hospitals.every, strict=True)
        ]
    return names, sides


def _recorded(hospitals: Hospitals, histories: list[Histories]) -> _Columns:
    """Which concepts persons have, and how many records in each table."""
    items = hospitals.items
    real = histories[0]
    had = np.unique(real.person * len(items) + real.item) % max(len(items), 1)
    persons = np.bincount(had, minlength=len(items))
    often = np.argsort(-persons, kind="stable")[:_MOST_CONCEPTS]
    often = often[persons[often] >= _LEAST_PERSONS]
    names = [f"{table} {concept}" for table, concept in (items.names()[place] for place in often)]
    names += [f"{table} {what}" for what in ("other", "records") for table in TABLES]
    return names, [_of_records(one, items.table, often) for one in histories]


def _of_records(histories: Histories, table: Ints, often: Ints) -> Doubles:
    """Whether each person has the frequent items, and any other of each table; and how many records of each table."""
    persons = histories.persons
    column = np.full(table.size, -1)
    column[often] = np.arange(often.size)
    column = np.where(column >= 0, column, often.size + table)
    width = often.size + len(TABLES)
    has = np.bincount(histories.person * width + column[histories.item], minlength=persons * width) > 0
    records = np.bincount(histories.person * len(TABLES) + table[histories.item], minlength=persons * len(TABLES))
    return np.column_stack([has.reshape(persons, width), records.reshape(persons, len(TABLES))]).astype(float)


def _summarised(hospitals: Hospitals, measured: list[Measured]) -> _Columns:
    """Mean, smallest, largest and last value of each variable, NaN where none was measured."""
    variables = hospitals.variables
    real = measured[0]
    persons = np.bincount(real.variable[_starts(real)], minlength=len(variables))
    often = np.argsort(-persons, kind="stable")[:_MOST_VARIABLES]
    often = often[persons[often] >= _LEAST_MEASURED]
    told = [variables.names()[place] for place in often]
    names = [f"measurement {name} {what}" for what in ("mean", "smallest", "largest", "last") for name in told]
    sides = [_summaries(one, len(side.people), often) for one, side in zip(measured, hospitals.every, strict=True)]
    return names, sides


def _starts(measured: Measured) -> Ints:
    """Where the values of each person and variable begin."""
    changed = np.ones(len(measured), bool)
    changed[1:] = (np.diff(measured.person) != 0) | (np.diff(measured.variable) != 0)
    return np.flatnonzero(changed)


def _summaries(measured: Measured, persons: int, variables: Ints) -> Doubles:
    wide = np.full((4, persons, variables.size), np.nan)
    starts = _starts(measured)
    if starts.size:
        ends = np.append(starts[1:], len(measured))
        summed = np.add.reduceat(measured.value, starts) / (ends - starts)
        smallest, largest = (how.reduceat(measured.value, starts) for how in (np.minimum, np.maximum))
        column = np.full(int(measured.variable.max()) + 1, -1)
        column[variables[variables < column.size]] = np.flatnonzero(variables < column.size)
        place = column[measured.variable[starts]]
        kept = place >= 0
        found = np.array([summed, smallest, largest, measured.value[ends - 1]])
        wide[:, measured.person[starts[kept]], place[kept]] = found[:, kept]
    return np.concatenate(list(wide), axis=1)


def _varied(sides: list[Doubles]) -> np.ndarray:
    """Which columns hold two different values, or a missing one beside a value, on any side."""
    everyone = np.concatenate(sides)
    known = ~np.isnan(everyone)
    low = np.where(known, everyone, np.inf).min(axis=0, initial=np.inf)
    high = np.where(known, everyone, -np.inf).max(axis=0, initial=-np.inf)
    return (high > low) | (known.any(axis=0) & ~known.all(axis=0))
