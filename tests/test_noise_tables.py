"""Tables of two columns under noise: what noise does not explain is kept, and lies smoothly in fine bins."""

from __future__ import annotations

import itertools

import numpy as np

from omopsql.noise.tables import (
    Joins,
    even,
    nearest_with_sums,
    spread_over,
    spread_smoothly,
    summed,
    summing_to,
    unhidden,
)
from omopsql.synth.hermite import linked_rows


def test_the_nearest_table_with_given_sums():
    """The sums hold, nothing is below 0, and no exchange of rows within the sums comes nearer."""
    rng = np.random.default_rng(2)
    noisy = 50.0 * np.eye(5) + rng.normal(0.0, 10.0, (5, 5))
    sums = np.full(5, 50.0)
    found = nearest_with_sums(noisy, sums, sums)
    assert found.min() >= 0.0
    assert np.allclose(found.sum(axis=0), sums, atol=0.01)
    assert np.allclose(found.sum(axis=1), sums, atol=0.5)
    assert np.trace(found) > 0.8 * 250.0
    apart = ((found - noisy) ** 2).sum()
    for i, j, k, m in itertools.product(range(5), repeat=4):
        step = np.zeros((5, 5))
        step[i, j], step[k, m], step[i, m], step[k, j] = 0.5, 0.5, -0.5, -0.5
        if i != k and j != m and (found + step).min() >= 0.0:
            assert ((found + step - noisy) ** 2).sum() > apart


def test_cells_that_hold_little_follow_noise_less_than_those_that_hold_much():
    """One factor for all cells would keep the noise of those that hold little, or lose what the others tell."""
    rng = np.random.default_rng(3)
    expected = np.full((12, 12), 4.0)
    np.fill_diagonal(expected, 1000.0)
    true = expected + np.diag(rng.normal(0.0, 200.0, 12))
    noisy = true + rng.normal(0.0, 30.0, true.shape)
    told = unhidden(noisy, expected, even(expected.sum(axis=1), expected.sum(axis=0)), 30.0)
    heavy = np.eye(12, dtype=bool)
    assert np.abs(told - true)[heavy].mean() < 40.0
    assert np.abs(told - true)[~heavy].mean() < 0.5 * np.abs(noisy - true)[~heavy].mean()


def test_where_noise_explains_all_counts_stay_as_expected():
    noise = 30.0 * np.array([[1.0, -0.5, 0.2], [-0.8, 0.4, -1.0]])
    expected = np.full((2, 3), 100.0)
    assert (unhidden(expected + noise, expected, expected, 30.0) == expected).all()


def test_cells_that_were_not_expected_are_within_reach():
    expected = np.diag([500.0, 500.0, 0.0]) + 1e-9
    apart = np.full((3, 3), 100.0)
    noisy = np.diag([100.0, 100.0, 800.0])
    assert unhidden(noisy, expected, apart, 5.0)[2, 2] > 600.0


def test_joined_cells_are_spread_smoothly_on_lines():
    """A Gaussian link of fine bins, told in joined ones: steps would leave twice the error, and sums hold."""
    held = np.full(24, 1 / 24)
    true = held[:, None] * linked_rows(held, held, 0.8)
    joins = Joins(np.arange(24) // 4, np.arange(24) // 4)
    within, joined = np.outer(held, held), summed(true, joins)
    smooth = spread_smoothly(joined, joins, within, [held, held], [24, 24])
    steps = summing_to(within * spread_over(joined / summed(within, joins), joins), held, held)
    assert np.abs(smooth - true).sum() < 0.5 * np.abs(steps - true).sum()
    assert np.allclose(summed(smooth, joins), joined, atol=1e-3)
    assert np.allclose(smooth.sum(axis=0), held, atol=1e-4)


def test_labels_have_no_middles_between_them():
    """Bins that are not of a line keep the share of their joined cell each: as they lie within it."""
    held = np.full(6, 1 / 6)
    joins = Joins(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1]))
    joined = np.array([[0.4, 0.1], [0.1, 0.4]])
    spread = spread_smoothly(joined, joins, np.outer(held, held), [held, held], [0, 0])
    assert np.allclose(spread, spread_over(joined, joins) / 9.0, atol=1e-6)
