"""Stays of those who die and of those who do not: what the model makes of each, beside what they share."""

from __future__ import annotations

import numpy as np
import pytest
from hospital_stays import learned

from omopsql.synth.hospital.values import scores
from omopsql.synth.hospital.values.compile import StayModel, trial
from omopsql.synth.hospital.values.correlations import _believed
from omopsql.synth.hospital.values.effects import believed
from omopsql.synth.hospital.values.oftener import alike
from omopsql.synth.hospital.values.stays import Records, Stays

COMA, BREATHS = 5, 6
PERSONS, MIN_CELL, STAYS = 1200, 10, 4000
STEADY, STEADY_LEVEL, WITH_BREATHS = (0.4, 0.1), (15.0, 3.0), (0.9, 0.4)  # of those who live, and of those who die


def stays_and_records() -> tuple[Stays, Records]:
    """A third dies: fewer of them have the same coma score all the time, a low one then, and fewer count breaths."""
    random = np.random.default_rng(3)
    died = (np.arange(PERSONS) % 3 == 0).astype(np.int64)
    day = np.full(PERSONS, 2880)
    stays = Stays(np.full(PERSONS, 77), died, 8507 + 0 * died, random.integers(30, 90, PERSONS), day)
    stay, series, minute, value = [], [], [], []
    for person, dead in enumerate(died.tolist()):
        moments = np.arange(random.integers(4, 9)) * 240
        same = random.random() < STEADY[dead]
        coma = np.full(len(moments), STEADY_LEVEL[dead]) if same else random.integers(4, 15, len(moments))
        breaths = np.round(random.normal(18, 3, len(moments)))
        for one, told in enumerate((coma, breaths) if random.random() < WITH_BREATHS[dead] else (coma,)):
            stay += [person] * len(moments)
            series += [one] * len(moments)
            minute += moments.tolist()
            value += told.tolist()
    columns = np.array(stay, np.int32), np.array(series, np.int32), np.array(minute, np.int32)
    return stays, Records(np.array([COMA, BREATHS]), *columns, np.array(value, float))


@pytest.fixture(scope="module")
def model() -> StayModel:
    return learned(*stays_and_records(), MIN_CELL)


@pytest.fixture(scope="module")
def drawn(model: StayModel) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Whether each drawn stay ends with death; records of each series; standard deviation and mean of coma scores."""
    sketch = trial(model, STAYS, 9)
    died = model.structure.strata[0][alike(model.structure, STAYS, 9)[2], 1] == 1
    key, value = sketch.stay * 2 + sketch.series, sketch.values(9, model.ends, model.outlets)
    count, total, squares = (np.bincount(key, part, 2 * STAYS) for part in (None, value, value**2))
    mean = total / np.maximum(count, 1)
    spread = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0))
    coma, breaths = (model.structure.place[series] for series in (COMA, BREATHS))
    return died, count.reshape(STAYS, 2)[:, breaths], spread.reshape(STAYS, 2)[:, coma], mean.reshape(STAYS, 2)[:, coma]


def test_a_series_that_goes_with_another_is_as_frequent_as_in_each_outcome(model, drawn):
    assert model.structure.count_parent[model.structure.place[BREATHS]] == model.structure.place[COMA]
    died, breaths, _, _ = drawn
    for dead in (0, 1):
        assert (breaths[died == dead] > 0).mean() == pytest.approx(WITH_BREATHS[dead], abs=0.06)
    _, records = stays_and_records()
    source = np.unique(records.stay[records.series == 1]).size / PERSONS
    assert (breaths > 0).mean() == pytest.approx(source, abs=0.005)


def test_those_who_die_are_as_often_steady_as_in_the_source_and_where_they_are(drawn):
    died, _, spread, mean = drawn
    for dead in (0, 1):
        steady = (died == dead) & (spread < 0.01)
        assert steady.sum() / (died == dead).sum() == pytest.approx(STEADY[dead], abs=0.06)
    steady = spread < 0.01
    assert mean[steady & died].mean() < 7 < 13 < mean[steady & ~died].mean()


def test_the_variance_within_persons_is_that_of_the_source(drawn):
    _, records = stays_and_records()
    own = records.series == 0
    source = np.split(records.value[own], np.flatnonzero(np.diff(records.stay[own])) + 1)
    within = np.mean([np.var(values) for values in source])
    assert np.mean(drawn[2] ** 2) == pytest.approx(within, rel=0.1)


def test_correlations_that_few_persons_tell_are_pulled_to_nothing():
    """Of as large correlations, that of many persons stays; where all is chance, little does."""
    size = len(scores.STATICS) + 4 * 6
    random = np.random.default_rng(2)
    chance = np.tril(random.normal(0, 0.1, (size, size)), -1)
    r, held = chance + chance.T + np.eye(size), np.full((size, size), 100.0)
    r[12, 10] = r[10, 12] = r[26, 22] = r[22, 26] = 0.6
    held[12, 10] = held[10, 12] = 2000
    held[26, 22] = held[22, 26] = 12
    found = _believed(r, held)
    np.testing.assert_array_equal(found, found.T)
    assert found[12, 10] > 0.55
    assert found[26, 22] < 0.1
    apart = np.abs(found - np.eye(size))
    assert np.median(apart) < 0.4 * np.median(np.abs(r - np.eye(size)))


def test_effects_on_numbers_that_go_together_are_believed_at_once():
    """Of planted effects of an outcome, believed ones are nearer than means are, and foretell it as well, no better."""
    random = np.random.default_rng(8)
    size, persons, planted = 60, 150, 0.15
    loading = random.normal(0, 0.7, (size, 4))
    covariance = loading @ loading.T + np.diag(random.uniform(0.1, 1.0, size))
    unit = np.sqrt(np.diag(covariance))
    r = covariance / np.outer(unit, unit)
    errors, nearer = np.linalg.cholesky(r / persons), []
    for _ in range(10):
        effect = planted * np.linalg.cholesky(r) @ random.normal(0, 1, size)
        mean = effect + errors @ random.normal(0, 1, size)
        found = believed(mean, np.full(size, persons), r)
        nearer.append([of @ np.linalg.solve(r, of) for of in (effect, mean, found, mean - effect, found - effect)])
    true, told, believed_, off, less_off = np.mean(nearer, axis=0)
    assert less_off < 0.9 * off
    assert told > 1.15 * true
    assert believed_ < 1.02 * true


def test_effects_that_are_chance_are_pulled_to_nothing_and_plain_ones_left_to_others():
    random = np.random.default_rng(9)
    mean = random.normal(0, 1, 40) / np.sqrt(50)
    mean[7] = 3.0
    persons = np.full(40, 50.0)
    persons[9] = 0
    found = believed(mean, persons, np.eye(40))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), [7, 9])
    assert np.nanmean(found**2) < 0.1 * np.mean(np.delete(mean, [7, 9]) ** 2)
