"""Persons: who they are, how long they are observed, and how many records they have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .histories import TABLES, YEAR, Doubles, Ints
from .hospitals import Comparison, Hospital
from .scores import Sample, Score, ks, scored

NEEDS = {
    "persons": "",
    "demographics_distance": "needs persons on both sides",
    "birth_year_ks": "needs real persons whose year of birth is known",
    "observation_time_ks": "needs real persons",
    "records_per_person_ks": "needs records on the real side",
    "visits_per_person_ks": "needs visits on the real side",
}
_OF_PERSON = {"gender_concept_id": "sex", "race_concept_id": "race", "ethnicity_concept_id": "ethnicity"}


def scores(of: Comparison) -> Iterator[Score]:
    """Score demographics, years of birth, observed times, and records and visits per person."""
    persons, groups = of.persons, of.groups
    yield _persons(of)
    for column, field in _OF_PERSON.items():
        codes = [getattr(side.people, field) for side in of.sides]
        yield scored("demographics_distance", _distance(of, codes), persons, "person", column)
    samples = [Sample(side.people.by, side.people.group) for side in of.sides]
    yield scored("birth_year_ks", ks(samples, groups), persons, "person", "year_of_birth")
    times = [Sample((side.people.len - side.people.start) / YEAR, side.people.group) for side in of.sides]
    yield scored("observation_time_ks", ks(times, groups), persons, "observation_period")
    for number, table in enumerate(TABLES):
        records = [_records(side, of.hospitals.items.table == number) for side in of.sides]
        if any(sample.value.any() for sample in records):
            yield scored("records_per_person_ks", ks(records, groups), persons, table)
            if table == "visit_occurrence":
                yield scored("visits_per_person_ks", ks(records, groups), persons, table)


def _persons(of: Comparison) -> Score:
    drawn = [
        f"{side.name}: {len(side.people):,} of {side.persons:,} persons were drawn"
        for side in of.sides
        if len(side.people) < side.persons
    ]
    return Score("persons", float(of.synthetic.persons), n=of.persons, note="; ".join(drawn) if of.groups else "")


def _distance(of: Comparison, codes: list[Ints]) -> Doubles:
    """Total variation of a label of persons: of all, and without each group."""
    _, number = np.unique(np.concatenate(codes), return_inverse=True)
    numbers = np.split(number, [codes[0].size])
    size = int(number.max(initial=0)) + 1
    shares = [_shares(own, side.people.group, size, of.groups) for own, side in zip(numbers, of.sides, strict=True)]
    distance: Doubles = np.abs(shares[0] - shares[1]).sum(axis=1) / 2
    return distance


def _shares(numbers: Ints, group: Ints, size: int, groups: int) -> Doubles:
    """Share of each number, of all persons and without each group; [1 + groups, size]."""
    counted = np.bincount(numbers, minlength=size)
    by_group = np.bincount(group * size + numbers, minlength=groups * size)[: groups * size].reshape(groups, size)
    left = np.vstack([counted[None], counted - by_group])
    return np.asarray(left / left.sum(axis=1, keepdims=True))


def _records(side: Hospital, is_of_table: np.ndarray) -> Sample:
    histories = side.histories
    records = np.bincount(histories.person, is_of_table[histories.item], minlength=histories.persons)
    return Sample(records.astype(float), side.people.group)
