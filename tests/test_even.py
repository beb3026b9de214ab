"""Even draws: a block's persons fill each dimension evenly, in an order that is as good as random, each on its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from omopsql.udfs.even import BLOCK, ROUNDS, block_key, enter_block, even, place_of

_KEYS = 8000  # blocks


@njit
def drawn(seed, numbers, layer, dimension, u):
    found = np.empty(numbers.size)
    for i in range(numbers.size):
        found[i] = even(block_key(seed, numbers[i], layer), numbers[i], dimension, u)
    return found


@njit
def places(seed, numbers, layer, dimensions):
    found = np.empty((numbers.size, dimensions), np.int64)
    block, words = np.full(1, -1, np.int64), np.empty((dimensions, ROUNDS), np.uint64)
    for i in range(numbers.size):
        enter_block(seed, numbers[i], layer, block, words)
        for dimension in range(dimensions):
            found[i, dimension] = place_of(words, numbers[i], dimension)
    return found


@pytest.fixture(scope="module")
def tabled() -> np.ndarray:
    """The places of a block's persons in two dimensions, for many blocks: (blocks, persons, 2)."""
    return places(7, np.arange(_KEYS * BLOCK), 3, 2).reshape(_KEYS, BLOCK, 2)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**40), st.integers(0, 2**22), st.integers(0, 500))
def test_a_block_fills_every_256th_once(seed: int, block: int, layer: int, dimension: int) -> None:
    numbers = block * BLOCK + np.arange(BLOCK)
    assert sorted(np.floor(drawn(seed, numbers, layer, dimension, 0.5) * BLOCK)) == list(range(BLOCK))


@given(st.floats(1e-9, 1.0 - 1e-9))
def test_a_number_lies_in_its_256th_where_it_is_told(u: float) -> None:
    found = drawn(1, np.arange(1, 700), 2, 0, u)
    assert ((found > 0.0) & (found < 1.0)).all()
    assert np.modf(found * BLOCK)[0] == pytest.approx(u, abs=1e-9)


def test_both_ways_of_asking_agree() -> None:
    numbers = np.array([1, 255, 256, 257, 70_000, 3, 2**40 + 17])
    asked = places(11, numbers, 5, 40)
    assert all((np.floor(drawn(11, numbers, 5, d, 0.5) * BLOCK) == asked[:, d]).all() for d in range(40))


def test_a_person_does_not_depend_on_others() -> None:
    everyone = drawn(3, np.arange(1, 2000), 4, 5, 0.25)
    assert drawn(3, np.arange(1500, 1600), 4, 5, 0.25).tolist() == everyone[1499:1599].tolist()


def test_seed_layer_dimension_and_block_each_change_the_order() -> None:
    numbers = np.arange(BLOCK)
    orders = [
        drawn(1, numbers, 2, 3, 0.5),
        drawn(2, numbers, 2, 3, 0.5),
        drawn(1, numbers, 3, 3, 0.5),
        drawn(1, numbers, 2, 4, 0.5),
        drawn(1, numbers + BLOCK, 2, 3, 0.5),
    ]
    for i, one in enumerate(orders):
        assert all(abs(np.corrcoef(one, other)[0, 1]) < 0.3 for other in orders[:i])


def test_every_person_is_anywhere_as_often(tabled: np.ndarray) -> None:
    counts = np.array([np.bincount(tabled[:, person, 0], minlength=BLOCK) for person in range(BLOCK)])
    chi = ((counts - _KEYS / BLOCK) ** 2 / (_KEYS / BLOCK)).sum(axis=1)
    assert stats.kstest(chi, stats.chi2(BLOCK - 1).cdf).pvalue > 1e-3


def test_two_persons_of_a_block_are_apart_by_no_more_than_chance(tabled: np.ndarray) -> None:
    """Of a random permutation any two places correlate by -1/255."""
    r = np.corrcoef(tabled[:, :, 0].T)[np.triu_indices(BLOCK, 1)]
    assert r.mean() == pytest.approx(-1 / (BLOCK - 1), abs=1e-4)
    assert r.std() == pytest.approx(_KEYS**-0.5, rel=0.03)


@pytest.mark.parametrize("pair", [(0, 1), (0, 16), (0, 17), (3, 200), (16, 32), (0, 128)])
def test_the_places_of_two_persons_say_nothing_of_each_other(tabled: np.ndarray, pair: tuple[int, int]) -> None:
    one, other = (tabled[:, person, 0] >> 4 for person in pair)
    found = np.zeros((16, 16))
    np.add.at(found, (one, other), 1)
    expected = np.full((16, 16), _KEYS / (BLOCK - 1) / 16 * 16)
    np.fill_diagonal(expected, _KEYS / (BLOCK - 1) / 16 * 15)
    chi = ((found - expected) ** 2 / expected).sum()
    assert 1e-4 < stats.chi2(255).sf(chi) < 1 - 1e-4


def test_dimensions_are_independent(tabled: np.ndarray) -> None:
    score = (tabled - (BLOCK - 1) / 2) / 74.0  # of about unit variance
    r = (score[:, :, 0] * score[:, :, 1]).mean(axis=0) * np.sqrt(_KEYS)
    assert r.std() == pytest.approx(1.0, rel=0.2)
    # a pair that is near in one dimension is near in another one as often as any
    near = np.abs(tabled[:, :-1] - tabled[:, 1:]) < 16
    assert np.corrcoef(near[:, :, 0].ravel(), near[:, :, 1].ravel())[0, 1] == pytest.approx(0.0, abs=0.004)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_few_persons_have_the_share_nearly_as_it_is(share: float) -> None:
    """Of a thousand persons drawn one by one, the number below a share of .1 is off by 9.5."""
    numbers = np.arange(4 * BLOCK)
    below = [(drawn(seed, numbers, 1, 0, 0.5) < share).sum() for seed in range(20)]
    assert np.abs(np.array(below) - share * numbers.size).max() <= 4
