"""The copula method: what it recovers, what it releases, and that its rows are a pure function."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from scipy import stats
from scipy.special import ndtr, ndtri

from omopsql.synth.columns import CATEGORY, NUMBER, NUMBER_TEXT, Column
from omopsql.synth.compile import compile_model
from omopsql.synth.copula import CHOICE_ROWS, fit_copula
from omopsql.synth.correlation import nearest_correlation
from omopsql.synth.hermite import linked_rows, scored, series, solved
from omopsql.synth.margins import Margin
from omopsql.synth.model import Model
from omopsql.synth.strata import released
from omopsql.udfs import copula as kernel
from omopsql.udfs import layout
from omopsql.udfs.layout import put_cell
from omopsql.udfs.normal import norm_cdf, norm_ppf
from omopsql.udfs.normal_table import fill_ppf, table_cdf

MIN_CELL = 10
ROWS = 20_000


def atoms(name: str, cells: np.ndarray, missing: bool = False) -> Margin:
    """Whole numbers from 0; the last cell holds the missing values if there are any."""
    n = np.bincount(cells)
    line = np.arange(len(n) - missing, dtype=float)
    return Margin(Column(name, "BIGINT", NUMBER, unit=1.0), line, line, has_missing=missing, n=n)


def intervals(name: str, cells: np.ndarray, missing: bool = False) -> Margin:
    """Intervals of width 1 from 0, without a step."""
    n = np.bincount(cells)
    low = np.arange(len(n) - missing, dtype=float)
    return Margin(Column(name, "DOUBLE", NUMBER), low, low + 1.0, has_missing=missing, n=n)


def labels(name: str, cells: np.ndarray, missing: bool = False) -> Margin:
    """Labels a, b, c, ..."""
    n = np.bincount(cells)
    texts = tuple(chr(97 + i) for i in range(len(n) - missing))
    return Margin(Column(name, "VARCHAR", CATEGORY), labels=texts, has_missing=missing, n=n)


def learned(columns: list[np.ndarray], margins: list[Margin]) -> Model:
    cells = np.array(columns, np.int32)
    return Model("copula", cells.shape[1], MIN_CELL, margins, fit_copula(cells, margins, MIN_CELL))


def drawn(model: Model, rows: int = ROWS, given: dict[int, int] | None = None, seed: int = 1) -> np.ndarray:
    return compile_model(model, given).rows(seed, 0, rows)


def normals(r: float, rows: int = ROWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(rows)
    return x, r * x + np.sqrt(1.0 - r * r) * rng.standard_normal(rows)


def cut(z: np.ndarray, cells: int) -> np.ndarray:
    """Cut into cells of equal probability."""
    return np.minimum((ndtr(z) * cells).astype(int), cells - 1)


def table_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Shares of each pair of codes; NaN is a code."""
    table = np.zeros((40, 40))
    np.add.at(table, (np.nan_to_num(a, nan=39.0).astype(int), np.nan_to_num(b, nan=39.0).astype(int)), 1.0 / len(a))
    return table


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(0.5 * np.abs(first - second).sum())


@pytest.mark.parametrize("r", [-0.9, 0.0, 0.3, 0.99])
def test_correlation_of_continuous_columns(r):
    x, y = (cut(z, 100) for z in normals(r))
    out = drawn(learned([x, y], [intervals("x", x), intervals("y", y)]))
    assert stats.spearmanr(*out)[0] == pytest.approx(stats.spearmanr(x, y)[0], abs=0.02)


@pytest.mark.parametrize("r", [-0.8, 0.2, 0.6, 0.95])
@pytest.mark.parametrize("cells", [(2, 2), (3, 8), (2, 100), (5, 100)])
def test_correlation_of_coarse_columns_without_attenuation(r, cells):
    """Scores of few cells correlate less than their latents; the latents' own correlation is wanted."""
    x, y = (cut(z, size) for z, size in zip(normals(r), cells, strict=True))
    out = drawn(learned([x, y], [atoms("x", x), atoms("y", y)]))
    assert np.corrcoef(out)[0, 1] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=0.025)


def test_skewed_cells():
    x, y = normals(0.7)
    a, b = (x > 1.5).astype(int), (y > -1.0).astype(int) + (y > 2.0)
    out = drawn(learned([a, b], [atoms("a", a), atoms("b", b)]))
    assert distance(table_of(a, b), table_of(*out)) < 0.015


def test_nominal_columns_need_no_order():
    """Labels in an order that means nothing: neighbouring codes are far apart in what they mean."""
    x, y = normals(0.8)
    shuffled = np.array([3, 0, 4, 1, 5, 2])
    a, b = shuffled[cut(x, 6)], shuffled[::-1][cut(y, 6)]
    c = cut(x + 0.5 * y, 50)
    out = drawn(learned([a, b, c], [labels("a", a), labels("b", b), intervals("c", c)]))
    assert distance(table_of(a, b), table_of(*out[:2])) < 0.04
    means, found = ([c_[a_ == k].mean() for k in range(6)] for a_, c_ in ((a, c), (out[0], out[2])))
    assert found == pytest.approx(means, abs=2.0)


def test_a_curved_relation_is_told_by_strata():
    """y follows |x|: no correlation at all; only tables by the bins of one column can tell."""
    x, noise = normals(0.0)
    a, b = cut(x, 60), cut((np.abs(x) - 0.8) / 0.6 + 0.3 * noise, 60)
    model = learned([a, b], [intervals("a", a), intervals("b", b)])
    assert "stratum" in model.joint["statistic"].to_pylist()
    out = np.floor(drawn(model))
    assert distance(table_of(a // 6, b // 6), table_of(*(out // 6))) < 0.06


def test_margins_are_kept():
    x, y = normals(0.6)
    a, b = cut(x, 12), labels_of_sizes(y, [0.7, 0.2, 0.06, 0.03, 0.01])
    out = drawn(learned([a, b], [atoms("a", a), labels("b", b)]))
    for cells, codes in ((a, out[0]), (b, out[1])):
        assert distance(np.bincount(cells) / ROWS, np.bincount(codes.astype(int)) / ROWS) < 0.015


def labels_of_sizes(z: np.ndarray, shares: list[float]) -> np.ndarray:
    return np.searchsorted(ndtri(np.cumsum(shares)[:-1]), z)


def test_missing_values_follow_other_columns():
    """y is missing where x is high: no value of y says so, the gate does."""
    x, y = normals(0.5)
    a, b = cut(x, 40), cut(y, 40)
    b = np.where(x + 0.3 * normals(0.0, seed=3)[0] > 0.7, 40, b)
    out = drawn(learned([a, b], [intervals("a", a), intervals("b", b, missing=True)]))
    assert distance(table_of(a // 8, b == 40), table_of(out[0] // 8, np.isnan(out[1]))) < 0.03
    present = ~np.isnan(out[1])
    assert np.corrcoef(out[:, present])[0, 1] == pytest.approx(np.corrcoef(a[b < 40], b[b < 40])[0, 1], abs=0.04)


def test_columns_that_are_missing_together_stay_so():
    """Also where one of them writes a label for it."""
    x, y = normals(0.4)
    gone = normals(0.0, seed=5)[0] > 1.0
    a, b, c = np.where(gone, 10, cut(x, 10)), np.where(gone, 7, cut(y, 7)), np.where(gone, 1, 2 * (x + y > 0))
    margins = [atoms("a", a, missing=True), labels("b", b, missing=True), labels("c", c)]
    model = learned([a, b, c], margins)
    out = drawn(model)
    assert (np.isnan(out[0]) == np.isnan(out[1])).all()
    assert (np.isnan(out[0]) == (out[2] == 1.0)).all()
    assert np.isnan(out[0]).mean() == pytest.approx(gone.mean(), abs=0.01)


def test_labels_beside_numbers_are_states_apart():
    x, y = normals(0.7)
    a = np.where(x < -1.2, 50, np.where(x > 1.8, 51, cut(x, 50)))
    n = np.bincount(a)
    line = np.arange(50.0)
    text = Margin(Column("a", "VARCHAR", NUMBER_TEXT, 1.0), line, line, ("low", "high"), has_missing=False, n=n)
    b = cut(y, 4)
    out = drawn(learned([a, b], [text, atoms("b", b)]))
    assert (np.isnan(out[0]) != np.isnan(out[1])).all()
    found = np.where(np.isnan(out[0]), 30 + out[1], out[0] // 5)
    assert distance(table_of(np.where(a < 50, a // 5, a - 20), b), table_of(found, out[2])) < 0.05


def test_equal_columns_stay_equal():
    x, _ = normals(0.0)
    a = cut(x, 5)
    code = np.array([2, 4, 0, 1, 3])[a]
    out = drawn(learned([a, code], [atoms("a", a), labels("b", code)]))
    assert (np.array([2, 4, 0, 1, 3])[out[0].astype(int)] == out[1]).mean() > 0.97


def test_columns_of_one_cell():
    x, _ = normals(0.0)
    a, constant, wide, gone = cut(x, 8), np.zeros(ROWS, int), np.zeros(ROWS, int), np.zeros(ROWS, int)
    empty = Margin(Column("gone", "BIGINT", NUMBER), has_missing=True, n=np.array([ROWS]))
    out = drawn(learned([a, constant, wide, gone], [atoms("a", a), atoms("c", constant), intervals("w", wide), empty]))
    assert (out[1] == 0.0).all()
    assert stats.kstest(out[2], "uniform").pvalue > 1e-4
    assert np.isnan(out[3]).all()


def test_one_column_and_few_rows():
    a = np.repeat(np.arange(3), [10, 20, 11])
    out = drawn(learned([a], [atoms("a", a)]))
    assert np.bincount(out[0].astype(int)) / ROWS == pytest.approx(np.bincount(a) / 41, abs=0.015)


def table_model(rows: int = ROWS) -> Model:
    """Numbers, a category with missing values, and strata."""
    x, y = normals(0.6, rows)
    a, b, c = cut(x, 60), cut((np.abs(x) - 0.8) / 0.6 + 0.3 * y, 60), np.array([1, 3, 0, 2])[cut(y, 4)]
    c = np.where(normals(0.0, rows, seed=9)[0] + y > 1.5, 4, c)
    d = cut(x + y + normals(0.0, rows, seed=4)[1], 3)
    margins = [intervals("a", a), intervals("b", b), labels("c", c, missing=True), atoms("d", d)]
    return learned([a, b, c, d], margins)


@pytest.fixture(scope="module")
def model() -> Model:
    return table_model()


@pytest.mark.parametrize("fixed", [{0: 12}, {2: 1}, {2: 4}, {3: 2}, {0: 50, 3: 0}, {2: 4, 3: 2}, {1: 3, 3: 1}])
def test_given_cells_come_back_and_the_others_follow(model, fixed):
    """As in rows that happen to be like that."""
    every = drawn(model, 400_000, seed=2)
    cells = np.where(np.isnan(every), 4, np.floor(every))
    like = np.all([cells[j] == cell for j, cell in fixed.items()], axis=0)
    out = drawn(model, 20_000, fixed)
    found = np.where(np.isnan(out), 4, np.floor(out))
    for j, cell in fixed.items():
        assert (found[j] == cell).all()
    assert like.sum() > 30
    for j in range(4):
        values, wanted = found[j], cells[j][like]
        error = np.sqrt(wanted.var() / len(wanted) + values.var() / len(values))
        assert abs(values.mean() - wanted.mean()) <= 5.0 * error + 0.01 * np.std(cells[j])


def test_given_that_never_occurs_still_comes_back():
    x, _ = normals(0.0)
    a, b = cut(x, 2), np.where(x > 0, 1, 0)
    out = drawn(learned([a, b], [labels("a", a), labels("b", b)]), 500, {0: 0, 1: 1})
    assert (out[0] == 0.0).all()
    assert (out[1] == 1.0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 5, 12, 40, 300]), st.integers(1, 5), st.sampled_from([1, 10]))
def test_any_table(seed, rows, width, min_cell):
    """Of few rows, with columns that depend on each other, missing or not; also for given cells that never meet."""
    rng = np.random.default_rng(seed)
    cells, margins = [], []
    for j in range(width):
        codes = int(rng.integers(1, 50))
        column = rng.integers(0, codes, rows)
        if j and rng.random() < 0.5:
            column = (cells[-1] * 3 + rng.integers(0, 2, rows)) % codes
        cells.append(np.unique(column, return_inverse=True)[1])
        margins.append((atoms, intervals, labels)[rng.integers(3)](f"c{j}", cells[j], bool(rng.random() < 0.4)))
    joint = fit_copula(np.array(cells, np.int32), margins, min_cell)
    model = Model("copula", rows, min_cell, margins, joint)
    read = Model.from_table(model.to_table(), "model")
    for fixed in ({}, {0: 0}, {width - 1: int(cells[-1].max()), 0: int(cells[0][0])}):
        out = drawn(model, 600, fixed)
        np.testing.assert_array_equal(out, drawn(read, 600, fixed))
        assert not np.isinf(out).any()
        assert (out[~np.isnan(out)] >= 0.0).all()
        assert (out[~np.isnan(out)] < max(len(margin.n) for margin in margins)).all()


def test_conditional_mean_of_normal_columns():
    x, y = normals(0.8, 60_000)
    edges = np.linspace(-3.0, 3.0, 61)
    a, b = (np.clip(np.searchsorted(edges, z) - 1, 0, 59) for z in (x, y))
    out = drawn(learned([a, b], [intervals("a", a), intervals("b", b)]), 20_000, {0: 45})
    assert ((out[0] >= 45.0) & (out[0] < 46.0)).all()
    assert out[1].mean() * 0.1 - 3.0 == pytest.approx(0.8 * 1.55, abs=0.04)


def test_rows_do_not_depend_on_blocks_or_on_how_many(model):
    for fixed in (None, {3: 1}):
        generator = compile_model(model, fixed)
        whole = generator.rows(7, 0, 3000)
        pieces = [generator.rows(7, first, count) for first, count in ((0, 1), (1, 700), (701, 2048), (2749, 251))]
        np.testing.assert_array_equal(whole, np.concatenate(pieces, axis=1))
        far = generator.rows(7, 2**40, 5)
        np.testing.assert_array_equal(far[:, 3:], generator.rows(7, 2**40 + 3, 2))
        assert not np.array_equal(whole, generator.rows(8, 0, 3000))


def test_same_table_same_bytes(model):
    """The model table is all that a generator follows from."""
    read = Model.from_table(model.to_table(), "model")
    first, second = compile_model(model), compile_model(read)
    assert first.ints.tobytes() == second.ints.tobytes()
    assert first.reals.tobytes() == second.reals.tobytes()
    assert table_model().to_table().equals(model.to_table())


@pytest.mark.parametrize("rows", [3000, CHOICE_ROWS + 20_000])
def test_sums_do_not_depend_on_the_order_of_rows(rows):
    x, y = normals(0.5, rows)
    cells = np.array([cut(x, 30), cut(np.abs(y), 7), cut(x + y, 5)], np.int32)
    margins = [intervals("a", cells[0]), labels("b", cells[1]), atoms("c", cells[2])]
    first = fit_copula(cells, margins, MIN_CELL)
    shuffled = np.ascontiguousarray(cells[:, np.random.default_rng(1).permutation(rows)])
    assert fit_copula(shuffled, margins, MIN_CELL).equals(first)


def test_no_count_of_few_rows_is_released(model):
    counts = model.joint.to_pylist()
    assert {row["statistic"] for row in counts} >= {"stratum", "pair", "link", "product", "weight"}
    assert all(row["n"] >= MIN_CELL for row in counts if row["statistic"] in ("pair", "pool", "gate", "stratum"))


@settings(max_examples=200, deadline=None)
@given(arrays_of.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 40)))
def test_what_is_not_told_cannot_be_solved_for(counts):
    told = released(counts, MIN_CELL)
    is_told = told.counts > 0
    assert (told.counts[is_told] == counts[is_told]).all()
    assert (counts[is_told | told.blurred] >= MIN_CELL).all()
    assert not (is_told & told.blurred).any()
    for axis in (0, 1):
        lacking = (counts - told.counts).sum(axis=axis)
        assert ((lacking == 0) | (lacking >= MIN_CELL) | (counts.sum(axis=axis) == lacking)).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_nearest_correlation(size, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(-1.0, 1.0, (size, size))
    matrix = np.tril(matrix, -1) + np.tril(matrix, -1).T + np.eye(size)
    nearest = nearest_correlation(matrix)
    np.testing.assert_array_equal(np.diag(nearest), 1.0)
    np.testing.assert_allclose(nearest, nearest.T)
    assert np.linalg.eigvalsh(nearest)[0] > 1e-6
    assert np.abs(nearest).max() <= 1.0
    np.testing.assert_array_equal(nearest_correlation(nearest if size > 2 else np.eye(size)).shape, (size, size))
    valid = np.corrcoef(rng.standard_normal((size, 5 * size)))
    np.testing.assert_array_equal(nearest_correlation(valid), valid)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-0.9, 0.9),
    st.lists(st.floats(0.02, 1.0), min_size=2, max_size=12),
    st.lists(st.floats(0.02, 1.0), min_size=2, max_size=12),
)
@example(-0.75, [1.0, 0.25], [1.0, 0.25])
def test_link_is_undone(r, first, second):
    """The score product that a correlation causes leads to a correlation that causes it.

    Rare cells under a strong negative correlation are all but exclusive: many correlations cause the same product.
    """
    first, second = (np.array(shares) / np.sum(shares) for shares in (first, second))
    tables = [scored(np.concatenate([[0.0], np.cumsum(shares)[:-1], [1.0]])[None]) for shares in (first, second)]

    def product(r):
        rows = linked_rows(first, second, r, points=400)
        return (first * tables[0][0][0] / 1024) @ rows @ (tables[1][0][0] / 1024)

    found = solved(series(tables[0][1], tables[1][1]), np.array([product(r)]))[0]
    spread = np.sqrt(tables[0][1][0, 1] * tables[1][1][0, 1])
    assert product(found) / spread == pytest.approx(product(r) / spread, abs=0.05)


def test_tabulated_normal_distribution():
    z = np.linspace(-9.0, 9.0, 20_001)
    np.testing.assert_allclose([table_cdf(x) for x in z], [norm_cdf(x) for x in z], atol=1e-15)
    p = np.concatenate([np.linspace(0.0, 1.0, 20_001)[1:-1], [2.0**-33, 1.0 - 2.0**-33, 1 / 64, 63 / 64]])
    found = np.empty_like(p)
    fill_ppf(p, found, len(p))
    np.testing.assert_allclose(found, [norm_ppf(x) for x in p], atol=1e-10)


def test_the_farthest_latents_fall_into_the_outermost_cells(model):
    """Also where the position in the last bin rounds up to its end."""
    ints, reals = (array.copy() for array in (compile_model(model).ints, compile_model(model).reals))
    joint = ints[layout.JOINT]
    z = np.array([-np.inf, -40.0, -8.2, 8.2, 40.0, np.inf, np.nan])
    for k in range(ints[joint + kernel.LATENTS]):
        cells, positions = np.empty(len(z), np.int64), np.empty(len(z))
        kernel._decide(ints, reals, k, len(z), np.zeros(len(z), np.int64), z, cells, positions)
        last = ints[ints[joint + kernel.LATENT_RECORDS] + k * kernel.LATENT_RECORD + kernel.CELLS] - 1
        assert ((cells >= 0) & (cells <= last)).all()
        assert (positions >= 0.0).all()
        assert (positions < 1.0).all()


def test_columns_are_written_as_cell_by_cell(model):
    generator = compile_model(model)
    ints, reals = generator.ints, generator.reals
    rng = np.random.default_rng(0)
    for j in range(ints[layout.COLUMNS]):
        record = ints[layout.RECORDS] + j * layout.RECORD
        cells, positions = rng.integers(0, ints[record + layout.CELLS], 300), rng.random(300)
        at_once, one_by_one = np.full((4, 310), -1.0), np.full((4, 310), -1.0)
        kernel._put_cells(ints, reals, record, 300, cells, positions, 5, at_once)
        for i in range(300):
            put_cell(ints, reals, record, cells[i], positions[i], 5 + i, one_by_one)
        np.testing.assert_array_equal(at_once, one_by_one)
