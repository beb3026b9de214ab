"""The tables person, observation_period and death."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from omopsql.harmonize.cdm import tables

from ..attributes import Drawn
from ..columns import dates, keys, times, whole, within, written
from ..lives import Int32s, Int64s, Lives, offsets_of, owners
from ..subjects import BIRTH_TOLD
from .drawn import attributes_of, told_columns

if TYPE_CHECKING:
    from ..generate import Hospital


def _person(lives: Lives, hospital: Hospital) -> pa.Table:
    people, rows = lives.people, len(lives)
    each = np.arange(rows + 1)
    fields = tables(hospital.version)["person"]
    drawn = {
        name: attributes_of(hospital).drawn(name, concepts, np.arange(rows), lives, each)
        for name, concepts in (
            ("gender", people.sex),
            ("race", people.race),
            ("ethnicity", people.ethnicity),
            ("home", people.sex),
        )
    }
    columns: dict[str, pa.Array] = {}
    for found in drawn.values():
        columns |= told_columns(found, fields, hospital)
    year, month, day = _calendar(people.birth)
    exact = _exactness(drawn["home"], rows)
    return written(
        hospital.version,
        "person",
        rows,
        columns
        | {
            "person_id": whole(lives.numbers),
            "gender_concept_id": whole(people.sex, field=fields["gender_concept_id"]),
            "race_concept_id": whole(people.race, field=fields["race_concept_id"]),
            "ethnicity_concept_id": whole(people.ethnicity, field=fields["ethnicity_concept_id"]),
            "year_of_birth": whole(year, field=fields["year_of_birth"]),
            "month_of_birth": whole(month, exact < 1, fields["month_of_birth"]),
            "day_of_birth": whole(day, exact < 2, fields["day_of_birth"]),
            "birth_datetime": times(people.birth, np.zeros(rows, np.int64), exact < 3),
        },
    )


def _calendar(days: Int32s) -> tuple[Int64s, Int64s, Int64s]:
    """The year, month and day of days since 1970-01-01."""
    dated = days.astype("datetime64[D]")
    months = dated.astype("datetime64[M]")
    month = months.astype(np.int64)
    day = (dated - months.astype("datetime64[D]")).astype(np.int64) + 1
    return 1970 + month // 12, month % 12 + 1, day


def _exactness(home: Drawn | None, rows: int) -> Int64s:
    """How exactly each birth is told: 0 the year, 1 the month, 2 the day, 3 the time."""
    if home is None or BIRTH_TOLD not in home:
        return np.full(rows, 2)
    grades = [["year", "month", "day", "time"].index(told) for told in home.values(BIRTH_TOLD)]
    return np.array([*grades, 0], np.int64)[home.codes(BIRTH_TOLD)]


def _observation_period(lives: Lives, hospital: Hospital) -> pa.Table:
    observed = lives.observed
    rows, person = len(observed.start), owners(observed.offsets)
    drawn = attributes_of(hospital).drawn(
        "observation_period", np.zeros(rows, np.int64), np.arange(rows), lives, observed.offsets
    )
    numbers, birth = lives.numbers[person], lives.people.birth[person]
    has_gaps = "periods" in hospital.models and hospital.models["periods"].has_gaps
    columns = told_columns(drawn, tables(hospital.version)["observation_period"], hospital) | {
        "observation_period_id": whole(keys(numbers, within(observed.offsets)) if has_gaps else numbers),
        "person_id": whole(numbers),
        "observation_period_start_date": dates(birth + observed.start),
        "observation_period_end_date": dates(birth + observed.end),
    }
    return written(hospital.version, "observation_period", rows, columns)


def _death(lives: Lives, hospital: Hospital) -> pa.Table:
    people = lives.people
    died = np.flatnonzero(people.death >= 0)
    offsets = offsets_of(died, len(lives))
    zeros = np.zeros(len(died), np.int64)
    drawn = attributes_of(hospital).drawn("death", zeros, np.arange(len(died)), lives, offsets)
    columns = told_columns(drawn, tables(hospital.version)["death"], hospital) | {
        "person_id": whole(lives.numbers[died]),
        "death_date": dates((people.birth + people.death)[died]),
    }
    return written(hospital.version, "death", len(died), columns)


WRITERS: dict[str, Callable[[Lives, Hospital], pa.Table]] = {
    "person": _person,
    "observation_period": _observation_period,
    "death": _death,
}
