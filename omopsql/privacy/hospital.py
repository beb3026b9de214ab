"""The persons of whole CDMs: what all tables together know of each.

A record is joined over the tables: who a person is, and every concept with the day on which it was recorded, counted
from the person's first record. Dates that are only shifted make the same record.
"""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.evaluate.cdm.histories import TABLES
from omopsql.evaluate.cdm.hospitals import Hospital, Hospitals, open_hospitals
from omopsql.evaluate.cdm.persons import MOST_PERSONS, Persons, vectors
from omopsql.evaluate.sides import Doubles, Int64s, Side, Sides

from .records import Hashes, Records, mixed, numbered, summed
from .subjects import WHOLE, Subjects, columns_of, telling

_MOST_SECRETS = 10


def open_hospital(
    cursor: duckdb.DuckDBPyConnection,
    sources: tuple[str, str, str | None],
    person: str | None,
    known: str | None,
    secret: str | None,
    seed: int,
) -> Subjects:
    """Open CDMs, with persons as ``omopsql.evaluate.cdm.persons`` writes them. Raises OmopsqlError as that does."""
    if person is not None:
        raise OmopsqlError(f"person is {person!r}, but persons of a CDM have their person_id; leave it out")
    hospitals = open_hospitals(cursor, *sources, seed=seed)
    persons = vectors(_fewer(hospitals, seed))
    sides = _sides(persons)
    return Subjects(
        sides=sides,
        vectors=_scaled(persons),
        whole=_records(hospitals, WHOLE),
        levels=(_concepts(hospitals),),
        parts=(_people(hospitals, "person"), *(_of_table(hospitals, table) for table in _filled(hospitals))),
        quasi=_people(hospitals, "sex, year of birth, race, ethnicity"),
        known=columns_of(sides, known, "known"),
        secrets=columns_of(sides, secret, "secret") or telling(sides, sides.columns, _MOST_SECRETS),
    )


def _fewer(hospitals: Hospitals, seed: int) -> Hospitals:
    """At most so many persons of each side as are written as vectors."""
    random = np.random.Generator(np.random.Philox(seed))
    drawn = []
    for side in hospitals.every:
        chosen = np.sort(random.permutation(len(side.people))[:MOST_PERSONS])
        drawn.append(side if len(chosen) == len(side.people) else side.taken(chosen))
    return replace(hospitals, real=drawn[0], synthetic=drawn[1], holdout=drawn[2] if len(drawn) > 2 else None)


def _sides(persons: Persons) -> Sides:
    """Persons as a flat table of numbers on each side."""
    sides = [
        Side(hospital.name, len(matrix), pa.table(dict(zip(persons.names, matrix.T.copy(), strict=True))))
        for hospital, matrix in zip(persons.hospitals.every, persons.sides, strict=True)
    ]
    return Sides(sides[0], sides[1], sides[2] if len(sides) > 2 else None, persons.names, (), ())


def _scaled(persons: Persons) -> tuple[Doubles, ...]:
    """Persons as vectors for distances: 0 and 1 as they are, or else a rare concept would outweigh all others.

    Counts are logarithms, and all other numbers have the real side's mean 0 and variance 1. What was not measured
    stands at 0, and beside it that it was not.
    """
    is_count = np.array([name.endswith(" records") for name in persons.names])
    sides = [np.where(is_count, np.log1p(np.maximum(side, 0)), side) for side in persons.sides]
    real = sides[0]
    is_binary = np.isin(real, (0.0, 1.0)).all(axis=0)
    known = np.ma.masked_invalid(real[:, ~is_binary])
    centre, spread = known.mean(axis=0).filled(0.0), known.std(axis=0).filled(1.0)
    spread = np.where(spread > 0, spread, 1.0)
    lacking = np.any([np.isnan(side).any(axis=0) for side in sides], axis=0)
    return tuple(
        np.column_stack(
            [
                np.nan_to_num(side[:, is_binary]),
                np.nan_to_num((side[:, ~is_binary] - centre) / spread),
                np.isnan(side[:, lacking]),
            ]
        )
        for side in sides
    )


def _records(hospitals: Hospitals, name: str) -> Records:
    """Who a person is, when he died, and each record: its table, its concept, and its day since the first."""
    return numbered(name, [_joined(hospitals, side, side.histories.item >= 0, _who(side)) for side in hospitals.every])


def _of_table(hospitals: Hospitals, table: int) -> Records:
    """The records of one table alone, by day since the first of them."""
    hashes = []
    for side in hospitals.every:
        is_of = hospitals.items.table[side.histories.item] == table
        hashes.append(_joined(hospitals, side, is_of, np.zeros(len(side.people), np.uint64), has_death=False))
    return numbered(TABLES[table], hashes)


def _concepts(hospitals: Hospitals) -> Records:
    """Sex, year of birth and which concepts a person ever had."""
    hashes = []
    items = hospitals.items
    for side in hospitals.every:
        had = np.unique(side.histories.person * len(items) + side.histories.item)
        owners, item = np.divmod(had, max(len(items), 1))
        known = _of_item(hospitals, item)
        who = _hashed(side.people.sex, _year_of_birth(side))
        hashes.append(who + summed(known, owners, len(side.people)))
    return numbered("sex, year of birth and concepts", hashes)


def _people(hospitals: Hospitals, name: str) -> Records:
    return numbered(name, [_who(side) for side in hospitals.every])


def _filled(hospitals: Hospitals) -> list[int]:
    """The tables that have records on the real side."""
    return np.unique(hospitals.items.table[hospitals.real.histories.item]).tolist()


def _joined(hospitals: Hospitals, side: Hospital, kept: np.ndarray, who: Hashes, *, has_death: bool = True) -> Hashes:
    """One hash a person: of who he is, of his records (each as often as it stands) and of his death."""
    histories, people = side.histories, side.people
    owners, days = histories.person[kept], histories.t[kept]
    first = np.full(len(people), np.iinfo(np.int64).max)
    np.minimum.at(first, owners, days)
    records = mixed(_of_item(hospitals, histories.item[kept]), days - first[owners])
    total = who + summed(records, owners, len(people))
    if not has_death:
        return total
    start = np.where(first < np.iinfo(np.int64).max, first, people.start)
    return mixed(total, np.where(people.death >= 0, people.death - start, -1))


def _of_item(hospitals: Hospitals, item: Int64s) -> Hashes:
    return _hashed(hospitals.items.table[item], hospitals.items.concept[item])


def _who(side: Hospital) -> Hashes:
    people = side.people
    return _hashed(people.sex, people.race, people.ethnicity, _year_of_birth(side))


def _year_of_birth(side: Hospital) -> Int64s:
    return np.nan_to_num(side.people.by, nan=-1.0).astype(np.int64)


def _hashed(*columns: Int64s) -> Hashes:
    found = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        found = mixed(found, np.ascontiguousarray(column, np.int64))
    return found
