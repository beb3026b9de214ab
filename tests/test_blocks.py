"""Released histograms: blocks that hold enough persons each, cut where the data are."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from omopsql.udfs.blocks import best_blocks

_LEAST = st.integers(1, 30)


@st.composite
def histograms(draw):
    """Some histograms, laid end to end: starts, rising bins, persons."""
    starts, bins, n = [0], [], []
    for _ in range(draw(st.integers(0, 4))):
        own = sorted(draw(st.sets(st.integers(-1000, 100_000), max_size=25)))
        bins += own
        n += draw(st.lists(st.integers(1, 60), min_size=len(own), max_size=len(own)))
        starts.append(len(bins))
    return np.array(starts), np.array(bins, np.int64), np.array(n, np.int64)


def _blocks(bins, n, least):
    """The blocks of one histogram."""
    columns = best_blocks(np.array([0, len(bins)]), np.array(bins, np.int64), np.array(n, np.int64), least)
    return [tuple(block) for block in np.column_stack(columns).tolist()]


@given(histograms(), _LEAST)
def test_blocks_are_in_order_apart_and_large_enough(made, least):
    starts, bins, n = made
    first, last, persons = best_blocks(starts, bins, n, least)
    assert (persons >= least).all()
    assert (first <= last).all()
    assert (first[1:] > last[:-1]).all()
    assert [n[a : b + 1].sum() for a, b in zip(first, last, strict=True)] == persons.tolist()
    whose = np.searchsorted(starts, first, "right")
    assert np.array_equal(whose, np.searchsorted(starts, last, "right"))


@given(histograms(), _LEAST)
def test_persons_are_told_or_left_out_and_never_told_twice(made, least):
    starts, bins, n = made
    first, last, persons = best_blocks(starts, bins, n, least)
    told = np.zeros(len(bins), np.int64)
    for a, b in zip(first, last, strict=True):
        told[a : b + 1] += 1
    assert (told <= 1).all()
    assert persons.sum() == n.sum() - n[told == 0].sum()


@given(histograms(), _LEAST)
def test_a_histogram_is_cut_as_if_it_stood_alone(made, least):
    starts, bins, n = made
    whole = np.column_stack(best_blocks(starts, bins, n, least)).tolist()
    alone = []
    for a, b in pairwise(starts):
        alone += [[a + first, a + last, persons] for first, last, persons in _blocks(bins[a:b], n[a:b], least)]
    assert whole == alone


@given(st.integers(1, 10**6), _LEAST)
def test_one_bin_is_told_if_it_is_large_enough(n, least):
    assert _blocks([17], [n], least) == ([(0, 0, n)] if n >= least else [])


def test_no_bins_have_no_blocks():
    assert _blocks([], [], 10) == []


@given(histograms(), _LEAST)
def test_too_few_persons_are_not_told_at_all(made, least):
    _, bins, n = made
    assert _blocks(bins[:1], np.minimum(n[:1], least - 1), least) == []


@given(st.integers(10, 90), st.integers(40, 500))
def test_an_atom_is_found_in_a_sparse_range(place, atom):
    bins = np.arange(0, 10_000, 100)
    n = np.ones(100, np.int64)
    n[place] = atom
    assert (place, place, atom) in _blocks(bins, n, 10)


def test_a_step_is_cut_where_it_is():
    n = np.concatenate([np.full(100, 5), np.full(100, 50)])
    blocks = _blocks(np.arange(200), n, 10)
    assert any(last == 99 for _, last, _ in blocks)
    assert sum(persons for _, _, persons in blocks) == n.sum()


def test_the_far_are_left_out_and_the_near_are_told():
    bins = [*range(100), 1_000_000]
    blocks = _blocks(bins, [3] * 100 + [1], 10)
    assert sum(persons for _, _, persons in blocks) == 300
    assert blocks[-1][1] == 99


@given(st.lists(st.integers(10**9, 10**13), min_size=1, max_size=30))
def test_huge_counts_are_exact(n):
    blocks = _blocks(np.arange(len(n)) * 3, n, 10)
    assert sum(persons for _, _, persons in blocks) == sum(n)
    assert blocks[0][0] == 0
    assert blocks[-1][1] == len(n) - 1


@given(st.integers(1, 2000))
def test_long_histograms_are_told_whole(bins):
    n = np.full(bins, 10)
    assert sum(persons for _, _, persons in _blocks(np.arange(bins), n, 10)) == n.sum()


@given(histograms(), _LEAST)
def test_a_whole_histogram_leaves_out_nobody(made, least):
    starts, bins, n = made
    first, _, persons = best_blocks(starts, bins, n, least, True)
    whose = np.searchsorted(starts, first, "right") - 1
    for h, (a, b) in enumerate(pairwise(starts)):
        assert persons[whose == h].sum() == (n[a:b].sum() if n[a:b].sum() >= least else 0)


def test_those_far_away_belong_to_the_outermost_block_or_to_none():
    bins, n = [*range(20), 100_000, 200_000], [5] * 20 + [1, 1]
    starts = np.array([0, len(bins)])
    columns = best_blocks(starts, np.array(bins), np.array(n), 10)
    assert bins[columns[1][-1]] == 19
    columns = best_blocks(starts, np.array(bins), np.array(n), 10, True)
    assert bins[columns[1][-1]] == 200_000
    assert columns[2].sum() == 102
