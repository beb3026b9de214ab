"""The nearest neighbours and the balls, against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from omopsql.udfs.neighbours import balls_around, nearest

_RANDOM = np.random.default_rng(7)


def _squares(queries, points):
    with np.errstate(invalid="ignore", over="ignore"):
        return ((queries[:, None, :] - points[None]) ** 2).sum(axis=2)


def _sorted(queries, points, k, skip_same):
    squares = _squares(queries, points)
    if skip_same:
        np.fill_diagonal(squares, np.inf)
    places = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, places, axis=1)), places


_CLOUDS = {
    "normal": (_RANDOM.normal(size=(200, 20)), _RANDOM.normal(size=(2500, 20))),
    "ties": (_RANDOM.integers(0, 2, (200, 4)).astype(float), _RANDOM.integers(0, 2, (2500, 4)).astype(float)),
    "far from 0": (1e9 + _RANDOM.normal(size=(200, 3)), 1e9 + _RANDOM.normal(size=(2500, 3))),
    "of all sizes": (10 ** _RANDOM.uniform(-9, 9, (200, 5)), 10 ** _RANDOM.uniform(-9, 9, (2500, 5))),
    "one coordinate": (_RANDOM.normal(size=(200, 1)), _RANDOM.normal(size=(2500, 1))),
}


@pytest.mark.parametrize("cloud", _CLOUDS)
@pytest.mark.parametrize("k", [1, 5])
def test_the_nearest_are_those_of_a_full_sort(cloud, k):
    queries, points = _CLOUDS[cloud]
    distances, places = nearest(queries, points, k, False)
    expected, expected_places = _sorted(queries, points, k, False)
    np.testing.assert_allclose(distances, expected, rtol=1e-12)
    assert (places == expected_places).all()


@pytest.mark.parametrize("cloud", _CLOUDS)
def test_a_row_is_no_neighbour_of_its_own(cloud):
    _, points = _CLOUDS[cloud]
    distances, places = nearest(points[:1500], points[:1500], 3, True)
    expected, expected_places = _sorted(points[:1500], points[:1500], 3, True)
    np.testing.assert_allclose(distances, expected, rtol=1e-12)
    assert (places == expected_places).all()


@given(
    arrays(np.float64, (7, 2), elements=st.sampled_from([0.0, 0.1, 0.2, 1.0, -3.0])),
    arrays(np.float64, (12, 2), elements=st.sampled_from([0.0, 0.1, 0.2, 1.0, -3.0])),
)
def test_of_ties_the_lower_place_comes_first(queries, points):
    _, places = nearest(queries, points, 4, False)
    assert (places == _sorted(queries, points, 4, False)[1]).all()


def test_copies_are_at_distance_0_exactly():
    points = _CLOUDS["normal"][1]
    distances, places = nearest(points[[5, 2400]], points, 1, False)
    assert distances.tolist() == [[0.0], [0.0]]
    assert places.tolist() == [[5], [2400]]


def test_fewer_points_than_asked_for():
    distances, places = nearest(np.zeros((2, 1)), np.ones((1, 1)), 3, False)
    assert places.tolist() == [[0, -1, -1]] * 2
    assert distances.tolist() == [[1.0, np.inf, np.inf]] * 2
    assert nearest(np.zeros((1, 1)), np.zeros((1, 1)), 1, True)[1].tolist() == [[-1]]
    assert nearest(np.zeros((2, 3)), np.zeros((0, 3)), 1, False)[1].tolist() == [[-1], [-1]]


def test_nan_and_infinity():
    points = np.array([[np.nan], [np.inf], [4.0], [5.0]])
    distances, places = nearest(np.array([[3.0], [np.nan]]), points, 2, False)
    assert places.tolist() == [[2, 3], [-1, -1]]
    assert distances[0].tolist() == [1.0, 2.0]
    assert nearest(np.array([[3e200]]), np.array([[2e200], [1e200], [2.5e200]]), 1, False)[1].tolist() == [[0]]


@pytest.mark.parametrize("cloud", _CLOUDS)
def test_balls_are_counted_as_the_full_table_of_distances_counts_them(cloud):
    queries, points = _CLOUDS[cloud]
    radii = nearest(points, points, 5, True)[0][:, [0, -1]]
    squares = _squares(queries, points)
    for counted, radius in zip(balls_around(queries, points, radii).T, radii.T, strict=True):
        assert (counted == (squares <= radius**2 * (1 + 1e-12)).sum(axis=1)).all()


def test_the_rim_belongs_to_the_ball():
    counted = balls_around(np.array([[1.0], [1.5], [0.0]]), np.array([[0.0], [0.0]]), np.array([[1.0], [0.0]]))
    assert counted.tolist() == [[1], [0], [2]]
    assert balls_around(np.zeros((2, 1)), np.zeros((0, 1)), np.zeros((0, 1))).tolist() == [[0], [0]]
