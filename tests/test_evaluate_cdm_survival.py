"""Survival and incidence of CDMs: curves are those of textbooks, and new cases are counted by year without one."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from scipy import stats

from omopsql.evaluate.cdm import survival, times
from omopsql.evaluate.cdm.histories import Histories, People
from omopsql.evaluate.cdm.hospitals import Hospital, open_hospitals


def exits(days: list[int], died: list[bool], width: int = 0) -> survival.Exits:
    width = max([width, *(day + 1 for day in days)])
    dead = [day for day, is_dead in zip(days, died, strict=True) if is_dead]
    return survival.Exits(np.bincount(dead, minlength=width), np.bincount(days, minlength=width))


def test_kaplan_meier_of_freireichs_leukaemia_patients() -> None:
    """Remission under 6-MP in weeks (Freireich et al., Blood 21, 1963), as in every textbook."""
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    going_on = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    curve = exits(ended + going_on, [True] * 9 + [False] * 12).surviving()
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448, 35: 0.448}
    assert {week: curve[week] for week in expected} == pytest.approx(expected, abs=5e-4)
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    treated, untreated = exits(ended + going_on, [True] * 9 + [False] * 12), exits(placebo, [True] * 21, 36)
    assert survival.logrank(treated, untreated) == pytest.approx(16.79, abs=0.01)


def test_survival_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    samples = [(rng.integers(0, 60, 80), rng.random(80) < 0.6), (rng.integers(0, 80, 70), rng.random(70) < 0.5)]
    sides = [exits(days.tolist(), died.tolist(), 80) for days, died in samples]
    data = [stats.CensoredData(uncensored=days[died], right=days[~died]) for days, died in samples]
    for side, known in zip(sides, data, strict=True):
        curve = stats.ecdf(known).sf
        assert side.surviving()[curve.quantiles.astype(int)] == pytest.approx(curve.probabilities)
    expected = stats.logrank(*data)
    assert survival.logrank(*sides) == pytest.approx(expected.statistic**2)
    assert survival.chance_above(survival.logrank(*sides)) == pytest.approx(expected.pvalue)


def test_survival_agrees_with_lifelines() -> None:
    lifelines = pytest.importorskip("lifelines", reason="lifelines, a peer, is not installed")
    rng = np.random.default_rng(2)
    days, died = rng.integers(1, 200, 150), rng.random(150) < 0.5
    fitted = lifelines.KaplanMeierFitter().fit(days, died)
    curve = exits(days.tolist(), died.tolist()).surviving()
    assert fitted.predict(np.arange(days.max() + 1)).to_numpy() == pytest.approx(curve)


def test_nobody_dies_or_nobody_is_left() -> None:
    alive, dead = exits([3, 3], [False, False]), exits([1, 2], [True, True], 4)
    assert alive.surviving().tolist() == [1.0] * 4
    assert dead.surviving().tolist() == [1.0, 0.5, 0.0, 0.0]
    assert np.isnan(survival.logrank(alive, alive))
    assert np.isnan(survival.chance_above(np.nan))


def test_curves_for_a_picture(planted: duckdb.DuckDBPyConnection) -> None:
    with planted.cursor() as cursor:
        curves = survival.curves(open_hospitals(cursor, "real", "others"))
    assert [curve.subject for curve in curves][:3] == ["", "female", "male"]
    assert all((np.diff(curve.real) <= 0).all() and curve.real[0] <= 1 for curve in curves)


def lives(births: list[int], starts: list[int], ends: list[int], records: list[tuple[int, int]]) -> Hospital:
    """Persons observed from ``starts`` to ``ends`` with records (person, day) of item 0."""
    n = len(births)
    none = np.zeros(n, np.int64)
    people = People(np.arange(n), none, none, none, none, np.array(births, float), none, np.array(starts),
                    np.array(ends), none - 1)  # fmt: skip
    person, day = (np.array(column, np.int64) for column in zip(*sorted(records), strict=True))
    histories = Histories(people, np.searchsorted(person, np.arange(n + 1)), np.zeros(day.size, np.int64), day)
    return Hospital("lives", n, histories, None)  # type: ignore[arg-type]


def test_incidence_counts_new_cases_and_years_without_one() -> None:
    year = 365.25
    of = lives([1950] * 3, [0, int(10.5 * year), 0], [int(40 * year)] * 3, [(0, int(30.5 * year)), (2, 0)])
    firsts = times._Firsts(of.histories, 1)
    (counted,) = times._cases(firsts, 0, 0)
    assert counted.cases.sum() == 1
    assert counted.cases[30] == 1
    assert counted.years.sum() == pytest.approx(30.5 + 29.5, abs=0.01)  # the third has it from the first day
    assert counted.years[10] == pytest.approx(1.5, abs=0.01)
    assert counted.years[30] == pytest.approx(1.5, abs=0.01)
    assert counted.years[39] == pytest.approx(1.0, abs=0.01)
    assert counted.years[40] == pytest.approx(0.0, abs=0.01)


def test_twice_the_incidence_is_a_distance_of_one() -> None:
    one = times.Incidence(np.array([5, 10]), np.array([100.0, 100.0]))
    twice = times.Incidence(np.array([10, 20]), np.array([100.0, 100.0]))
    assert times._rate_distance(one, twice)["distance"] == pytest.approx(1.0)
    assert times._rate_distance(one, one)["distance"] == 0.0
