"""Courses of values in stays: levels by how often a series is measured, and series that move together."""

from __future__ import annotations

import numpy as np
import pytest
from hospital_stays import learned, records_of

from omopsql.synth.hospital.values.paths import centred
from omopsql.synth.hospital.values.stays import Records, Stays

LACTATE, PULSE, BLOOD = 5, 6, 7
PERSONS, SOME, DRAWN, MIN_CELL = 1500, 300, 3000, 10
SELDOM, OFTEN = (3, 4), (7, 8)  # measurements in a stay: all are of one group of counts
CALM, ILL = 10.0, 13.0  # their usual values
TOGETHER = 0.7


def _stays(persons: int) -> Stays:
    random = np.random.default_rng(4)
    died = (np.arange(persons) % 5 == 0).astype(np.int64)
    return Stays(np.full(persons, 77), died, 8507 + 0 * died, random.integers(30, 90, persons), np.full(persons, 2880))


def measured_oftener_the_worse() -> Records:
    """Who is measured seven or eight times has higher values than who is measured three or four times."""
    random = np.random.default_rng(5)
    count = random.choice([*SELDOM, *OFTEN], PERSONS)
    usual = np.where(count >= OFTEN[0], ILL, CALM) + random.normal(0, 1, PERSONS)
    stay = np.repeat(np.arange(PERSONS), count)
    minute = np.concatenate([np.sort(random.choice(2800, n, replace=False)) for n in count])
    value = np.round(usual[stay] + random.normal(0, 1, len(stay)), 1)
    return Records(
        np.array([LACTATE]), stay.astype(np.int32), np.zeros(len(stay), np.int32), minute.astype(np.int32), value
    )


def pulse_and_blood() -> Records:
    """A pulse each hour of a day, and blood at three of these moments in two fifths of stays: both move together."""
    random = np.random.default_rng(6)
    hour = np.tile(np.arange(24), SOME)
    stay = np.repeat(np.arange(SOME), 24)
    shared, own, other = random.normal(0, 6, (3, SOME * 24))
    usual = random.normal(0, 8, (2, SOME))
    loose = np.sqrt(1 - TOGETHER)
    pulse = 90 + usual[0][stay] + np.sqrt(TOGETHER) * shared + loose * own
    blood = 60 + usual[1][stay] + np.sqrt(TOGETHER) * shared + loose * other
    drawn = np.argsort(random.random((SOME, 24)), axis=1)[:, :3] + 24 * np.arange(SOME)[:, None]
    taken = np.sort(drawn[np.arange(SOME) % 5 < 2].reshape(-1))
    at = np.concatenate([np.arange(SOME * 24), taken])
    series = np.repeat([0, 1], [SOME * 24, len(taken)])
    value = np.round(np.concatenate([pulse, blood[taken]]))
    order = np.lexsort((value, hour[at], series, stay[at]))
    columns = (part[order].astype(np.int32) for part in (stay[at], series, 60 * hour[at]))
    return Records(np.array([PULSE, BLOOD]), *columns, value[order])


def calm_or_ill() -> Records:
    """Two tests at the same two to five moments. The ill, one of seven, swing far, and both together; others do not."""
    random = np.random.default_rng(8)
    count = random.integers(2, 6, PERSONS)
    stay, place = np.repeat(np.arange(PERSONS), count), np.concatenate([np.arange(n) for n in count])
    ill = (random.random(PERSONS) < 1 / 7)[stay]
    one, other = random.normal(0, 1, (2, len(stay)))
    usual = random.normal(0, 20, (2, PERSONS))
    swing, shared = np.where(ill, 50.0, 6.0), np.where(ill, 0.97, 0.0)
    first = 100 + usual[0][stay] + swing * one
    second = 300 + usual[1][stay] + swing * (shared * one + np.sqrt(1 - shared**2) * other)
    series, value = np.repeat([0, 1], len(stay)), np.round(np.concatenate([first, second]))
    order = np.lexsort((value, np.tile(place, 2), series, np.tile(stay, 2)))
    columns = (part[order].astype(np.int32) for part in (np.tile(stay, 2), series, np.tile(300 * place, 2)))
    return Records(np.array([PULSE, BLOOD]), *columns, value[order])


def _moving(records: Records) -> float:
    """The correlation of both series, less a person's mean, at moments that they share."""
    rest = centred(records.value, records.runs)
    several = np.repeat(records.runs.count > 1, records.runs.count)
    moment = records.stay.astype(np.int64) * 10_000 + records.minute
    first, second = (np.flatnonzero(several & (records.series == series)) for series in (0, 1))
    _, one, other = np.intersect1d(moment[first], moment[second], return_indices=True)
    return float(np.corrcoef(rest[first[one]], rest[second[other]])[0, 1])


def test_who_is_measured_oftener_has_other_values_though_of_the_same_group():
    runs = records_of(learned(_stays(PERSONS), measured_oftener_the_worse(), MIN_CELL), DRAWN, 9)
    count, start = runs.runs.count, runs.runs.start
    mean = np.add.reduceat(runs.value, start) / count
    assert mean[np.isin(count, SELDOM)].mean() == pytest.approx(CALM, abs=0.35)
    assert mean[np.isin(count, OFTEN)].mean() == pytest.approx(ILL, abs=0.35)


def test_what_is_seldom_measured_moves_with_what_is_measured_each_hour():
    """A pulse chosen by chance is seldom one of those beside blood: that does not tell how much is known of both."""
    records = pulse_and_blood()
    drawn = records_of(learned(_stays(SOME), records, MIN_CELL), DRAWN, 9)
    source = _moving(records)
    assert source > 0.5
    assert 0.4 * source < _moving(drawn) < 1.1 * source


def test_what_swings_far_together_does_so_though_small_swings_are_apart():
    """Sizes of swings depend on each other in the ill alone: their ranks hardly tell it."""
    records = calm_or_ill()
    source = _moving(records)
    assert source > 0.8
    assert 0.85 * source < _moving(records_of(learned(_stays(PERSONS), records, MIN_CELL), DRAWN, 9)) < 1.05 * source
