"""Subgroups: the values of a column, or bands of its numbers; the sex, race, ethnicity or age of persons of a CDM."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.errors import OmopsqlError
from omopsql.evaluate.cdm.histories import YEAR
from omopsql.evaluate.cdm.hospitals import Hospitals
from omopsql.evaluate.outcome import OUTCOME
from omopsql.evaluate.sides import Doubles, Int64s, Sides
from omopsql.evaluate.utility.predictors import value_name

MOST_GROUPS = 20
_BANDS = 4
_AGES = (18, 45, 65)
_SEXES = ("female", "male", "sex unknown")  # by the numbers that histories give them
NONE = -1


@dataclass(frozen=True)
class Groups:
    """What persons or rows are divided by, the name of each subgroup, and its number for each row, (n) a side.

    A row of no subgroup has ``NONE``: its value is none of the 20 most frequent ones of the real side.
    """

    by: str
    names: tuple[str, ...]
    sides: tuple[Int64s, ...]


def flat_groups(sides: Sides, by: str) -> Groups:
    """Divide rows by a column: by its values, or by quarters of the real side where it has many numbers.

    Raises OmopsqlError when not all tables have the column.
    """
    found = next((name for name in sides.columns if name.lower() == by.lower() and name != OUTCOME), None)
    if found is None:
        has = ", ".join(name for name in sides.columns if name != OUTCOME)
        raise OmopsqlError(f"by: {by!r} is no column that all tables have; those are {has}")
    if found in sides.numeric and found not in sides.few_valued:
        return _bands(sides, found)
    columns = [side.table[found].cast(pa.string()).combine_chunks() for side in sides.every]
    counted = sorted(columns[0].value_counts().to_pylist(), key=lambda row: (-row["counts"], row["values"] or ""))
    values = [row["values"] for row in counted[:MOST_GROUPS]]
    known = pa.array(values, pa.string())
    numbered = (pc.fill_null(pc.index_in(column, known), NONE) for column in columns)
    places = tuple(np.asarray(numbers.to_numpy(zero_copy_only=False), np.int64) for numbers in numbered)
    return Groups(found, tuple(value_name(found, value) for value in values), places)


def _bands(sides: Sides, name: str) -> Groups:
    numbers = [side.numbers(name) for side in sides.every]
    known = numbers[0][np.isfinite(numbers[0])]
    cuts = np.unique(np.quantile(known, np.arange(1, _BANDS) / _BANDS)) if known.size else np.zeros(0)
    return _banded(name, numbers, cuts)


def _banded(name: str, numbers: list[Doubles], cuts: np.ndarray) -> Groups:
    """Divide numbers by cuts; a missing number is a subgroup of its own."""
    shown = [f"{cut:g}" for cut in cuts]
    between = [f"{name} {low} to below {high}" for low, high in pairwise(shown)]
    names = [f"{name} below {shown[0]}", *between, f"{name} from {shown[-1]}"] if shown else [f"{name} known"]
    places = [np.where(np.isnan(x), len(names), np.searchsorted(cuts, x, "right")).astype(np.int64) for x in numbers]
    if any((side == len(names)).any() for side in places):
        names.append(f"{name} is missing")
    return _present(Groups(name, tuple(names), tuple(places)))


def _present(groups: Groups) -> Groups:
    """The same subgroups without those that no side has."""
    held = np.unique(np.concatenate(groups.sides))
    held = held[held >= 0]
    number = np.full(len(groups.names) + 1, NONE)
    number[held] = np.arange(held.size)
    return Groups(groups.by, tuple(groups.names[i] for i in held), tuple(number[side] for side in groups.sides))


def cdm_groups(hospitals: Hospitals, by: str) -> Groups:
    """Divide persons by gender_concept_id, race_concept_id, ethnicity_concept_id, or age (bands, at first observation).

    Raises OmopsqlError for anything else.
    """
    people = [side.people for side in hospitals.every]
    name = by.lower().removesuffix("_concept_id")
    if name == "age":
        ages = [np.where(np.isnan(one.by), np.nan, one.start / YEAR) for one in people]
        return _banded("age", ages, np.array(_AGES))
    if name in ("gender", "sex"):
        return _present(Groups("sex", _SEXES, tuple(one.sex for one in people)))
    if name in ("race", "ethnicity"):
        return _concepts(name, [getattr(one, name) for one in people])
    raise OmopsqlError(
        "by: persons of a CDM are divided by gender_concept_id, race_concept_id, ethnicity_concept_id or age, "
        f"not by {by!r}"
    )


def _concepts(name: str, sides: list[Int64s]) -> Groups:
    concepts, count = np.unique(sides[0], return_counts=True)
    often = concepts[np.argsort(-count, kind="stable")[:MOST_GROUPS]]
    places = tuple(np.where(side[:, None] == often, np.arange(often.size), NONE).max(axis=1) for side in sides)
    return Groups(name, tuple(f"{name} {concept}" if concept else f"{name} unknown" for concept in often), places)
