"""Context trees: what splits, what is released, what is drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omopsql.synth import columns as c
from omopsql.synth.compile import compile_model
from omopsql.synth.margins import Margin
from omopsql.synth.model import Model
from omopsql.synth.tree import _pool, column_order, fit_tree
from omopsql.udfs.draw import alias_table, draw_cell

MIN_CELL = 10


def nominal(cells: np.ndarray, name: str) -> Margin:
    n = np.bincount(cells)
    return Margin(c.Column(name, "VARCHAR", c.CATEGORY), labels=tuple(f"l{i}" for i in range(len(n))), n=n)


def ordered(cells: np.ndarray, name: str) -> Margin:
    n = np.bincount(cells)
    line = np.arange(len(n), dtype=float)
    return Margin(c.Column(name, "INTEGER", c.NUMBER, unit=1.0), line, line, n=n)


def sampled(cells: np.ndarray, margins: list[Margin], rows: int, **given_cells: int) -> np.ndarray:
    joint = fit_tree(cells.astype(np.int32), margins, MIN_CELL)
    model = Model("tree", cells.shape[1], MIN_CELL, margins, joint)
    fixed = {int(name[1:]): cell for name, cell in given_cells.items()}
    return compile_model(model, fixed).rows(7, 0, rows)


def test_a_function_of_another_column_is_kept_exactly():
    rng = np.random.default_rng(1)
    town = rng.integers(0, 8, 4000)
    county = np.array([0, 0, 1, 1, 1, 2, 2, 3])[town]
    out = sampled(np.stack([county, town]), [nominal(county, "county"), nominal(town, "town")], 5000)
    assert set(zip(out[0], out[1], strict=True)) <= set(zip(county, town, strict=True))


def test_a_column_that_needs_two_others():
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 2, (2, 8000))
    likely = np.array([[0.1, 0.2], [0.3, 0.9]])[a, b]
    both = (rng.random(8000) < likely).astype(int)
    cells = np.stack([a, b, both])
    out = sampled(cells, [nominal(row, f"c{i}") for i, row in enumerate(cells)], 40000).astype(int)
    shares = [out[2][(out[0] == x) & (out[1] == y)].mean() for x in (0, 1) for y in (0, 1)]
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.9], abs=0.04)


def test_independent_columns_get_no_splits():
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 6, (6, 5000))
    joint = fit_tree(cells.astype(np.int32), [nominal(row, f"c{i}") for i, row in enumerate(cells)], MIN_CELL)
    assert joint["statistic"].to_pylist().count("split") <= 1


def test_the_distribution_given_a_cell_is_the_conditional_one():
    rng = np.random.default_rng(4)
    disease = (rng.random(20000) < 0.1).astype(int)
    value = np.clip(np.rint(rng.normal(20 + 8 * disease, 4)), 0, 40).astype(int)
    value = np.unique(value, return_inverse=True)[1]
    out = sampled(np.stack([value, disease]), [ordered(value, "v"), nominal(disease, "d")], 4000, c1=1)
    assert (out[1] == 1).all()
    assert out[0].mean() == pytest.approx(value[disease == 1].mean(), abs=0.5)
    assert out[0].std() == pytest.approx(value[disease == 1].std(), abs=0.5)


def test_rows_do_not_depend_on_blocks():
    rng = np.random.default_rng(5)
    cells = np.sort(rng.integers(0, 9, (5, 3000)), axis=0)
    margins = [ordered(row, f"c{i}") for i, row in enumerate(cells)]
    model = Model("tree", 3000, MIN_CELL, margins, fit_tree(cells.astype(np.int32), margins, MIN_CELL))
    made = compile_model(model)
    whole = made.rows(3, 0, 7000)
    parts = np.concatenate([made.rows(3, 0, 1), made.rows(3, 1, 4998), made.rows(3, 4999, 2001)], axis=1)
    assert np.array_equal(whole, parts)


def test_the_first_column_tells_most_and_the_next_depends_on_it():
    rng = np.random.default_rng(6)
    hub = rng.integers(0, 4, 4000)
    near = np.where(rng.random(4000) < 0.8, hub, rng.integers(0, 4, 4000))
    far = np.where(rng.random(4000) < 0.4, hub, rng.integers(0, 4, 4000))
    alone = rng.integers(0, 4, 4000)
    order = column_order(np.stack([alone, far, near, hub]).astype(np.uint8), [4, 4, 4, 4])
    assert order == [3, 2, 1, 0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), min_size=5, max_size=5), min_size=1, max_size=1), st.integers(1, 15))
def test_pools_hold_enough_rows_and_lose_none_but_a_lone_one(counts, min_cell):
    leaf = np.array(counts)
    if leaf.sum() == 0:
        return
    pools, rows, shares = _pool(leaf, np.zeros(1, np.int64), min_cell, 3)
    used = rows[0][rows[0] > 0]
    assert (used >= min_cell).all()
    assert abs(int(used.sum()) - int(leaf.sum())) < min_cell
    assert ((pools[0] >= 0) | (leaf[0] == 0)).all()
    assert ((shares[0] > 0) == (pools[0] >= 0)).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60).filter(lambda w: sum(w) > 1e-3))
def test_alias_tables_hold_the_weights(weights):
    weights = np.array(weights)
    shares, aliases = np.empty(len(weights)), np.empty(len(weights), np.int64)
    alias_table(weights, shares, aliases)
    held = shares / len(weights)
    np.add.at(held, aliases, (1.0 - shares) / len(weights))
    np.testing.assert_allclose(held, weights / weights.sum(), atol=1e-9)


@given(st.floats(1e-12, 1 - 1e-12))
def test_what_is_left_of_a_draw_is_a_uniform_number_again(u):
    shares, aliases = np.empty(3), np.empty(3, np.int64)
    alias_table(np.array([0.2, 0.5, 0.3]), shares, aliases)
    cell, left = draw_cell(aliases, shares, 0, 3, u)
    assert 0 <= cell < 3
    assert 0.0 <= left <= 1.0
