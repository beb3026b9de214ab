"""Stays of a small hospital: what comes in panels is had by as many as in the source, whatever kind of care is rare."""

from __future__ import annotations

import numpy as np
import pytest
from hospital_stays import learned

from omopsql.synth.hospital.values import first_round
from omopsql.synth.hospital.values.compile import StayModel, trial
from omopsql.synth.hospital.values.oftener import alike
from omopsql.synth.hospital.values.stays import Records, Stays

PERSONS, MIN_CELL, STAYS = 100, 10, 3000
HEART_RATE, *PANEL = range(11, 17)  # all have the first; half of them have all the others, at the same moments
COMMON, RARE = 77, 100  # the kind of care of a third, and the first of those that one person each has


def stays_and_records() -> tuple[Stays, Records]:
    """A third is in one kind of care, short; each of the others in one of their own, for long."""
    random = np.random.default_rng(11)
    numbers = np.arange(PERSONS)
    care = np.where(numbers % 3 == 0, COMMON, RARE + numbers)
    day = np.where(care == COMMON, 1440, 7200)
    stays = Stays(care, np.zeros(PERSONS, np.int64), np.full(PERSONS, 8507), random.integers(30, 90, PERSONS), day)
    stay, series, minute, value = [], [], [], []
    for person in range(PERSONS):
        moments = np.arange(random.integers(4, 40)) * 120
        for one in [HEART_RATE, *PANEL] if person % 2 else [HEART_RATE]:
            stay += [person] * len(moments)
            series += [one - HEART_RATE] * len(moments)
            minute += moments.tolist()
            value += np.round(random.normal(80 + one, 5, len(moments))).tolist()
    columns = np.array(stay, np.int32), np.array(series, np.int32), np.array(minute, np.int32)
    return stays, Records(np.array([HEART_RATE, *PANEL]), *columns, np.array(value, float))


@pytest.fixture(scope="module")
def model() -> StayModel:
    return learned(*stays_and_records(), MIN_CELL)


def test_a_panel_is_had_by_as_many_as_in_the_source_and_as_often(model):
    sketch = trial(model, STAYS, 5)
    count = np.bincount(sketch.stay * 6 + sketch.series, minlength=6 * STAYS).reshape(STAYS, 6)
    panel = count[:, [model.structure.place[one] for one in PANEL]]
    assert (model.structure.count_parent[[model.structure.place[one] for one in PANEL]] >= 0).all()
    assert (panel > 0).mean(axis=0) == pytest.approx(np.full(len(PANEL), 0.5), abs=0.06)
    has = panel[:, 0] > 0
    assert (panel[has] > 0).mean() > 0.95  # who has one of the panel has all of it
    mean = panel[has].mean(axis=0)
    assert mean == pytest.approx(np.full(len(PANEL), mean[0]), rel=0.15)
    assert mean[0] == pytest.approx(21.5, rel=0.25)


def test_persons_of_kinds_of_care_too_rare_to_be_shown_are_among_those_that_are_tried(model):
    keys, n = model.structure.strata
    assert keys.tolist() == [[COMMON, 0], [first_round.NO_CARE, 0], [first_round.NO_CARE, first_round.ANY]]
    assert model.structure.strangers == pytest.approx([n[0], PERSONS - n[0], 0.0])
    strata = alike(model.structure, STAYS, 5)[2]
    assert np.bincount(strata, minlength=3) / STAYS == pytest.approx(
        [n[0] / PERSONS, 1 - n[0] / PERSONS, 0.0], abs=0.01
    )
