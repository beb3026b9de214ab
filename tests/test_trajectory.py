"""The kernel of measurements in stays: its histograms, times and paths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omopsql.synth.hospital.values.grid import decimals, shares_shown, value_bins, value_edges
from omopsql.synth.hospital.values.histograms import tilts
from omopsql.synth.hospital.values.stays import GROUPS
from omopsql.udfs import moments, outlets, trajectory
from omopsql.udfs.histograms import Bins, draw_place, tilted
from omopsql.udfs.normal import norm_cdf, norm_ppf

EVEN = np.linspace(0.0005, 0.9995, 1000)


def bins_of(low: list[int], high: list[int], n: list[int], bounded: bool = False) -> Bins:
    starts = np.array([0, len(n)], np.int64)
    low_, high_, persons = (np.array(column, np.int64) for column in (low, high, n))
    tilt = tilts(starts, low_, high_, persons.astype(float), bounded)
    return Bins(starts, low_, high_, np.cumsum(persons) / persons.sum(), tilt)


def test_a_histogram_is_drawn_as_often_as_it_was_counted():
    bins = bins_of([0, 5, 6], [4, 5, 20], [30, 50, 20])
    drawn = np.array([draw_place(bins, 0, u) for u in EVEN])
    assert [(drawn < 5).sum(), ((drawn >= 5) & (drawn < 6)).sum(), (drawn >= 6).sum()] == pytest.approx(
        [300, 500, 200], abs=2
    )
    assert drawn.min() >= 0
    assert drawn.max() < 21


def test_the_ends_of_a_histogram_thin_out():
    bins = bins_of([0, 10, 20], [9, 19, 119], [50, 50, 50])
    drawn = np.array([draw_place(bins, 0, u) for u in EVEN])
    outer = drawn[drawn >= 20]
    assert (outer < 70).sum() > 1.5 * (outer >= 70).sum()


def test_a_bounded_scale_goes_on_to_its_ends_as_it_came():
    """Half lie in the outer third: their density rises outwards, as it does from the inner bins."""
    bins = bins_of([0, 100, 200], [99, 199, 299], [10, 40, 50], bounded=True)
    drawn = np.array([draw_place(bins, 0, u) for u in EVEN])
    outer = drawn[drawn >= 200]
    assert (outer >= 250).sum() > (outer < 250).sum()
    assert (drawn < 50).sum() < ((drawn >= 50) & (drawn < 100)).sum()


@given(st.floats(0.0, 1.0), st.floats(-1.0, 1.0))
def test_a_tilted_place_stays_in_its_bin(u, tilt):
    assert -1e-9 <= tilted(u, tilt) <= 1.0 + 1e-9


@given(st.lists(st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6), min_size=2, max_size=30))
def test_value_bins_keep_the_order_and_hold_their_value(values):
    told = np.array(sorted(values))
    bins = value_bins(told)
    low, high = value_edges(bins)
    assert (np.diff(bins) >= 0).all()
    slack = 1e-4 * np.abs(told) + 1e-12
    assert (low - slack <= told).all()
    assert (told <= high + slack).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 80.0, 7.42, 37.1, 0.03, -17.8, 123.0])
def test_a_value_of_three_digits_comes_back_exactly(value):
    told = np.array([value])
    assert outlets.number_of(0.5, int(value_bins(told)[0]), 1, int(decimals(told)[0])) == pytest.approx(value, abs=1e-9)


def numbers_of(first: float, last: float, decimals: int) -> np.ndarray:
    """What a cell between the bins of two numbers holds, at even shares of it."""
    low, high = value_bins(np.array([first, last]))
    return np.array([outlets.number_of(u, int(low), int(high - low + 1), decimals) for u in EVEN])


@pytest.mark.parametrize(
    ("first", "last", "held"), [(72.0, 73.0, [72, 73]), (72.0, 72.9, [72]), (-73.0, -72.0, [-73, -72])]
)
def test_whole_numbers_of_a_cell_come_equally_often(first, last, held):
    found, n = np.unique(numbers_of(first, last, 0), return_counts=True)
    assert found.tolist() == held
    assert n == pytest.approx(len(EVEN) / len(held), abs=1)


def test_a_cell_without_a_number_of_so_few_decimals_shows_more():
    assert set(np.round(numbers_of(72.3, 72.4, 0), 9)) == {72.3, 72.4}
    assert set(np.round(numbers_of(72.3, 72.3, 2), 9)) == {(7230 + step) / 100 for step in range(10)}
    assert len(set(numbers_of(72.3, 72.3, 10))) == len(EVEN)


@given(st.integers(-19_000, 19_000), st.integers(1, 2000), st.floats(0.0, 0.999999), st.integers(0, 10))
def test_a_number_lies_in_its_cell(first, size, inside, decimals):
    number = outlets.number_of(inside, first, size, decimals)
    lows, highs = value_edges(np.array([first, first + size - 1]))
    low, high = lows[0], highs[1]
    slack = 1e-6 * max(abs(low), abs(high)) + 1e-12
    assert low - slack <= number <= high + slack


def test_over_decades_each_doubling_comes_as_often():
    found = numbers_of(8.0, 31.9, 1)
    assert (found < 16.0).mean() == pytest.approx(0.5, abs=0.01)
    assert (found < 10.0).mean() == pytest.approx(np.log2(10 / 8) / 2, abs=0.01)
    assert np.allclose(found * 10, np.round(found * 10))
    assert numbers_of(-31.9, -8.0, 1) == pytest.approx(-found[::-1], abs=0.11)


def test_values_show_decimals_as_often_as_they_were_counted():
    """Of 100 persons 80 show whole numbers, 19 two decimals, and one (a slip) seven."""
    shown = shares_shown(np.array([0, 2, 7]), np.array([80, 19, 1]))
    bin_ = value_bins(np.array([72.0]))
    cell = np.array([0, 1], np.int64), np.array([np.inf]), bin_, np.ones(1, np.int64), np.zeros(1)
    told = outlets.Outlets(*cell, shown[None, :])
    found = np.array([outlets.value_in(told, 0, 0, 0.55, u) for u in EVEN])
    assert (found == 72.0).mean() == pytest.approx(0.8, abs=0.002)
    assert (found == 72.05).mean() == pytest.approx(0.2, abs=0.002)


def test_moments_are_brought_to_the_wanted_number_in_order():
    minute = np.zeros(20, np.int64)
    minute[:3] = [10, 500, 1000]
    moments._fit_in(minute, 3, 9, 2880, np.uint64(7))
    assert (np.diff(minute[:9]) >= 0).all()
    assert {10, 500, 1000} <= set(minute[:9].tolist())
    moments._fit_in(minute, 9, 2, 2880, np.uint64(7))
    assert minute[0] <= minute[1]


def test_a_moment_beside_others_is_a_free_one():
    """Hours follow each other: an hour from a taken one, all but the last are taken too."""
    classes = np.zeros((1, 1), np.int64)
    hourly = Bins(np.array([0, 1, 2]), np.array([0, 60]), np.array([0, 60]), np.array([1.0, 1.0]), np.array([0.0, 0.0]))
    times = moments.Times(None, None, None, classes, None, classes + 1, None, None)
    taken = np.arange(0, 1200, 60)
    found = np.array([moments._beside(hourly, times, 0, 0, taken, 1201, np.uint64(seed))[1] for seed in range(200)])
    assert not np.isin(found, taken).any()
    assert ((found >= 0) & (found <= 1200)).all()
    assert (found == 1200).mean() > 0.1
    alone = moments._beside(hourly, times, 0, 0, np.zeros(1, np.int64), 1, np.uint64(3))[1]
    assert alone == 0  # there is no other


def flat_paths(mean: Bins, spread_bin: int) -> tuple[Bins, trajectory.Paths]:
    """Histograms 0: the mean; 1: trend 0.5; 2: one spread."""
    starts = np.array([0, 1, 2, 3], np.int64)
    low = np.array([mean.low[0], 64, spread_bin], np.int64)
    grouped = np.zeros((1, GROUPS), np.int64)
    bins = Bins(starts, low, low.copy(), np.ones(3), np.zeros(3))
    none, unit, place = np.full((1, 3), -1, np.int64), np.eye(1), np.zeros((1, 1, 4))
    return bins, trajectory.Paths(
        level=place,
        scale=place + 1.0,
        band_level=np.zeros((1, 10)),
        band_scale=np.ones((1, 10)),
        mean=np.zeros((1, 2), np.int64),
        trend=np.ones((1, GROUPS, 3), np.int64),
        spread=grouped + 2,
        steady=np.zeros((1, GROUPS)),
        steadier=np.zeros((1, 1)),
        gain=np.ones(1),
        shape=none,
        entry=none,
        keep=np.array([0.8]),
        share=np.array([0.7]),
        smooth=np.zeros(1),
        steps=unit,
        noise=unit,
    )


def test_a_path_has_the_mean_trend_and_spread_that_were_drawn():
    spread_bin = 320  # 2^-20 * 2^20 = 1
    bins, paths = flat_paths(bins_of([512], [512], [10]), spread_bin)
    minute = np.array([0, 60, 200, 420, 800, 1000], np.int32)
    level = np.array([0.3, -1.2, 0.8, 0.1, -0.4, 2.0])
    trajectory._settle(bins, paths, 0, np.zeros(4), minute, level)
    assert level.mean() == pytest.approx(2.0, abs=0.01)
    assert level.std() == pytest.approx(1.0, rel=0.03)
    assert np.corrcoef(level, minute)[0, 1] == pytest.approx(0.5, abs=0.01)


def test_uniforms_of_a_stay_depend_on_nothing_else():
    some, all_ = np.empty((2, 3)), np.empty((5, 3))
    trajectory.fill_uniforms(3, np.array([7, 9]), np.array([0, 2]), some)
    trajectory.fill_uniforms(3, np.array([1, 7, 8, 9, 9]), np.array([0, 0, 0, 1, 2]), all_)
    assert (some == all_[[1, 4]]).all()
    assert not math.isclose(all_[3, 0], all_[4, 0])


def test_who_is_steady_is_told_before_the_spread_of_the_others():
    """A fifth has no spread; in a stratum 30 %, and there the others' normal numbers lie half a unit higher."""
    _, paths = flat_paths(bins_of([512], [512], [10]), 320)
    further = norm_ppf(0.3) - norm_ppf(0.2)
    level = np.zeros((2, 1, 4))
    level[1, 0, 2] = 0.5
    paths = paths._replace(
        level=level, scale=np.ones((2, 1, 4)), steady=np.full((1, GROUPS), 0.2), steadier=np.array([[0.0], [further]])
    )
    for stratum, share in ((0, 0.2), (1, 0.3)):
        place = np.array([norm_cdf(trajectory._spread_number(paths, stratum, 0, 2, norm_ppf(u))) for u in EVEN])
        assert (place < 0.2).mean() == pytest.approx(share, abs=0.002)
        others = np.array([norm_ppf((at - 0.2) / 0.8) for at in place[place > 0.2]])
        assert others.mean() == pytest.approx(level[stratum, 0, 2], abs=0.02)
        assert others.std() == pytest.approx(1.0, abs=0.03)
