"""Paths of a stay's values: exact from moment to moment, rough or smooth, together as much as their steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy.linalg import expm

from omopsql.udfs import walk
from omopsql.udfs.trajectory import Paths

ROOT = math.sqrt(2.0)


def moved_by(kept: float) -> tuple[np.ndarray, np.ndarray]:
    """How the next state depends on the last one, and on the two normal numbers, as matrices."""
    unit = np.eye(4)
    rows = np.array([walk.moved(kept, *row) for row in unit]).T
    return rows[:, :2], rows[:, 2:]


@given(st.floats(1e-6, 1.0 - 1e-6))
def test_a_path_and_its_follower_vary_as_much_after_a_move_as_before(kept: float) -> None:
    before = np.array([[1.0, 0.5], [0.5, 0.5]])
    turned, drawn = moved_by(kept)
    assert turned @ before @ turned.T + drawn @ drawn.T == pytest.approx(before, abs=1e-9)


@given(st.floats(1e-4, 0.9999))
def test_a_move_is_the_solution_of_its_differential_equation(kept: float) -> None:
    """dx = -x dt + noise, dy = (x - y) dt, over the time in which ``kept`` of x remains."""
    exact = expm(-math.log(kept) * np.array([[-1.0, 0.0], [1.0, -1.0]]))
    assert moved_by(kept)[0] == pytest.approx(exact, abs=1e-12)


@given(st.floats(1e-3, 0.99), st.floats(1e-3, 0.99))
def test_two_moves_are_one(first: float, second: float) -> None:
    (turned, drawn), (further, later) = moved_by(first), moved_by(second)
    both = further @ drawn @ drawn.T @ further.T + later @ later.T
    at_once, numbers = moved_by(first * second)
    assert further @ turned == pytest.approx(at_once, abs=1e-12)
    assert both == pytest.approx(numbers @ numbers.T, abs=1e-9)


def test_nothing_moves_at_one_moment_and_everything_is_forgotten_after_long() -> None:
    assert walk.moved(1.0, 0.3, -0.4, 1.5, 2.5) == pytest.approx((0.3, -0.4))
    assert walk.moved(0.0, 9.0, 9.0, 1.0, 1.0) == pytest.approx((1.0, 1.0))


@njit
def walked(paths, minute, series, order, level, room, state):
    return walk.fill_walk(paths, minute, series, order, level, room, state)


def paths_of(smooth: list[float], steps: np.ndarray, half_life: float = 8.0) -> Paths:
    """Paths without noise."""
    width = len(smooth)
    own = dict.fromkeys(Paths._fields, np.zeros(width))
    own |= {"keep": np.full(width, 0.5 ** (1.0 / half_life)), "share": np.ones(width), "smooth": np.array(smooth)}
    own |= {"steps": steps, "noise": np.eye(width)}
    return Paths(**own)


def many(smooth: list[float], steps: np.ndarray, hours: list[float], stays: int = 4000) -> np.ndarray:
    """Levels of many stays, (stays, series, moments)."""
    width, moments = len(smooth), len(hours)
    minute = np.tile((60.0 * np.array(hours)).astype(np.int32), width)
    series = np.repeat(np.arange(width, dtype=np.int32), moments)
    order = np.argsort(minute, kind="stable")
    paths, room, level = paths_of(smooth, steps), np.empty((5, width)), np.empty((stays, width * moments))
    for stay in range(stays):
        walked(paths, minute, series, order, level[stay], room, np.uint64(stay * 0x9E3779B9 + 7))
    return level.reshape(stays, width, moments)


@pytest.mark.parametrize("smooth", [0.0, 0.4, 1.0])
def test_a_path_keeps_variance_1_and_its_own_correlation(smooth: float) -> None:
    """Of a rough path: exp(-t); of a smooth one: (1 + t) exp(-t) (Matern 3/2), t in times of decay."""
    drawn = many([smooth], np.eye(1), [0, 3, 20])[:, 0]
    assert drawn.std(axis=0) == pytest.approx(1.0, abs=0.05)
    if smooth in (0.0, 1.0):
        far = np.array([3.0, 17.0, 20.0]) * math.log(2.0) / 8.0
        wanted = np.exp(-far) * (1.0 + smooth * far)
        found = np.corrcoef(drawn.T)[[0, 1, 0], [1, 2, 2]]
        assert found == pytest.approx(wanted, abs=0.05)


def test_a_smooth_path_goes_on_as_it_went() -> None:
    rough, smooth = (many([share], np.eye(1), [0, 2, 4])[:, 0] for share in (0.0, 1.0))
    steps = [np.corrcoef(np.diff(drawn, axis=1).T)[0, 1] for drawn in (rough, smooth)]
    assert steps[0] < 0.0
    assert steps[1] > 0.5


def test_paths_that_step_together_stand_together() -> None:
    """A rough path and one that follows another: what is left of .8 is .8 / sqrt(2)."""
    steps = np.linalg.cholesky(np.array([[1.0, 0.8, 0.8], [0.8, 1.0, 0.8], [0.8, 0.8, 1.0]]))
    drawn = many([0.0, 1.0, 1.0], steps, [0, 5])[:, :, 1]
    found = np.corrcoef(drawn.T)
    assert found[0, 1] == pytest.approx(0.8 / ROOT, abs=0.04)
    assert found[1, 2] == pytest.approx(0.8, abs=0.03)


def test_a_stay_without_records_draws_nothing() -> None:
    none = np.zeros(0, np.int32)
    state = walked(
        paths_of([1.0], np.eye(1)), none, none, np.zeros(0, np.int64), np.zeros(0), np.empty((5, 1)), np.uint64(3)
    )
    assert state == 3
