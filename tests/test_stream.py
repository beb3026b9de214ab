"""The stream of random numbers of one person: even, the same each time, and of that person and layer alone."""

import numpy as np
import pytest
from numba import njit
from scipy import stats

from omopsql.udfs.stream import below, mixed, normal, start, uniform

_DRAWS = 200_000
_GAMMA = 0x9E3779B97F4A7C15
_WORD = 2**64 - 1
FIRST_UNIFORMS = [0.4719614830932478, 0.5139147028239964, 0.3104138405376228]  # of seed 1, person 1, layer 2


@njit
def begun(seed, number, layer):
    return start(seed, number, layer)


@njit
def mix(word):
    return mixed(word)


@njit
def uniforms(seed, number, layer, n):
    state, drawn = start(seed, number, layer), np.empty(n)
    for i in range(n):
        state, drawn[i] = uniform(state)
    return drawn


@njit
def normals(seed, number, layer, n):
    state, drawn = start(seed, number, layer), np.empty(n)
    for i in range(n):
        state, drawn[i] = normal(state)
    return drawn


@njit
def whole_numbers(seed, most, n):
    state, drawn = start(seed, 1, 1), np.empty(n, np.int64)
    for i in range(n):
        state, drawn[i] = below(state, most)
    return drawn


@njit
def first_of_each(seed, first, last, layer):
    drawn = np.empty(last - first)
    for number in range(first, last):
        _, drawn[number - first] = uniform(start(seed, number, layer))
    return drawn


SPLIT_MIX = [  # the first words of SplitMix64 that starts from 1234567, as its authors' program prints them
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_known_answers_of_splitmix64():
    states = [(1234567 + step * _GAMMA) & _WORD for step in range(1, 6)]
    assert [int(mix(np.uint64(state))) for state in states] == SPLIT_MIX


def test_a_stream_never_changes_from_version_to_version():
    assert int(begun(0, 0, 0)) == 0x4D7B25FCD75EE2F1
    assert int(begun(1, 1, 2)) == 0xDFBFA8038AD9283B
    assert uniforms(1, 1, 2, 3) == pytest.approx(FIRST_UNIFORMS, abs=1e-15)
    assert normals(1, 1, 2, 3) == pytest.approx(stats.norm.ppf(FIRST_UNIFORMS), abs=1e-9)


def test_uniform_numbers_are_even():
    drawn = uniforms(5, 6, 7, _DRAWS)
    assert drawn.min() > 0
    assert drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01


def test_normal_numbers_are_normal():
    drawn = normals(5, 6, 7, _DRAWS)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.var() - 1) < 0.02
    assert stats.kstest(drawn, "norm").pvalue > 1e-4


@pytest.mark.parametrize("most", [1, 2, 7, 1000])
def test_whole_numbers_are_even_below_their_bound(most):
    drawn = whole_numbers(3, most, 100_000)
    counts = np.bincount(drawn, minlength=most)
    assert len(counts) == most
    assert most == 1 or stats.chisquare(counts).pvalue > 1e-4


def test_whole_numbers_stay_below_a_huge_bound():
    drawn = whole_numbers(3, 2**53, 1000)
    assert (drawn >= 0).all()
    assert (drawn < 2**53).all()


@pytest.mark.parametrize("other", [(5, 6, 8), (5, 7, 7), (6, 6, 7), (6, 5, 7), (5, 6 + 2**32, 7)])
def test_seeds_persons_and_layers_are_apart(other):
    one, two = uniforms(5, 6, 7, _DRAWS), uniforms(*other, _DRAWS)
    assert not set(one[:1000]) & set(two[:1000])
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.01


def test_neighbours_begin_independently():
    drawn = first_of_each(1, 0, _DRAWS, 2)
    assert len(np.unique(drawn)) == _DRAWS
    assert stats.kstest(drawn, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(drawn, first_of_each(1, 0, _DRAWS, 3))[0, 1]) < 0.01


def test_a_stream_is_the_same_each_time_and_however_far_it_is_read():
    assert np.array_equal(uniforms(9, 9, 9, 50), uniforms(9, 9, 9, 500)[:50])
