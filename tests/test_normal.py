"""The normal distribution against SciPy, through SQL."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from omopsql.udfs.normal import norm_cdf, norm_pdf, norm_ppf

GRID = np.concatenate(
    [np.linspace(-40.0, 40.0, 4001), np.linspace(-1e-3, 1e-3, 101), [0.0, -0.0, 5e-324, 1e-300, 1e300, -1e300]]
)
SMALLEST_NORMAL = np.finfo(float).tiny
TAILS = 10.0 ** np.arange(-320.0, 0.0)
PROBABILITIES = np.concatenate([np.linspace(0.0, 1.0, 4001)[1:-1], TAILS, 1.0 - TAILS[-15:], [5e-324, 0.425, 0.075]])


def over(con: duckdb.DuckDBPyConnection, function: str, values: object) -> list[float | None]:
    column = pa.table({"x": pa.array(values, pa.float64())})
    con.register("given", column)
    return [row[0] for row in con.execute(f"SELECT omopsql.{function}(x) FROM given").fetchall()]


@pytest.mark.parametrize(
    ("function", "expected", "at"),
    [
        ("norm_pdf", stats.norm.pdf, GRID),
        ("norm_cdf", stats.norm.cdf, GRID),
        ("norm_ppf", stats.norm.ppf, PROBABILITIES),
    ],
)
def test_like_scipy(con, function, expected, at):
    answered = np.array(over(con, function, at))
    with np.errstate(over="ignore"):
        scipys = expected(at)
    subnormal = np.maximum(np.abs(answered), np.abs(scipys)) < SMALLEST_NORMAL  # SciPy makes some of them 0
    rtol = 5e-13 if function == "norm_pdf" else 1e-13
    np.testing.assert_allclose(answered[~subnormal], scipys[~subnormal], rtol=rtol)
    np.testing.assert_allclose(answered[subnormal], scipys[subnormal], atol=SMALLEST_NORMAL)
    assert (~subnormal).sum() > 3800


def test_lower_tail_keeps_its_precision(con):
    """1 - cdf(-x) would be 0 here."""
    assert over(con, "norm_cdf", [-37.0]) == pytest.approx([stats.norm.cdf(-37.0)], rel=1e-12)
    assert over(con, "norm_cdf", [-37.0])[0] > 0.0


def test_outside_zero_to_one_there_is_no_quantile(con):
    assert all(math.isnan(z) for z in over(con, "norm_ppf", [-5e-324, -1.0, 1.0000000000000002, math.inf, -math.inf]))
    assert over(con, "norm_ppf", [0.0, 1.0]) == [-math.inf, math.inf]


@pytest.mark.parametrize("function", ["norm_pdf", "norm_cdf", "norm_ppf"])
def test_no_number_in_no_number_out(con, function):
    nan, missing, plain = over(con, function, [math.nan, None, 0.5])
    assert math.isnan(nan)
    assert missing is None
    assert plain is not None
    assert over(con, function, []) == []
    assert over(con, function, [None] * 5000) == [None] * 5000


def test_infinities(con):
    assert over(con, "norm_pdf", [-math.inf, math.inf]) == [0.0, 0.0]
    assert over(con, "norm_cdf", [-math.inf, math.inf]) == [0.0, 1.0]


@pytest.mark.parametrize("function", ["norm_pdf", "norm_cdf", "norm_ppf"])
def test_constants_are_folded_to_the_same_value(con, function):
    """A constant argument reaches the kernel as another kind of vector than a column does."""
    folded = con.execute(f"SELECT omopsql.{function}(0.3), omopsql.{function}(NULL)").fetchall()
    assert folded == [(over(con, function, [0.3])[0], None)]
    per_row = con.execute(f"SELECT DISTINCT omopsql.{function}(0.3) FROM range(5000)").fetchall()
    assert per_row == [folded[0][:1]]


def test_nulls_stay_with_their_rows(con):
    """Rows before, within and after the NULLs of several chunks keep their own values."""
    rows = con.execute(
        "SELECT i, omopsql.norm_cdf(CASE WHEN i % 7 > 0 THEN i / 1000.0 END) FROM range(10000) AS r (i)"
    ).fetchall()
    assert len(rows) == 10_000
    assert {i for i, value in rows if value is None} == set(range(0, 10_000, 7))
    assert rows[4001] == (4001, norm_cdf(4.001))


@given(st.floats(1e-300, 1.0, exclude_max=True))
def test_cdf_undoes_ppf(p):
    assert norm_cdf(norm_ppf(p)) == pytest.approx(p, rel=1e-11)


@given(st.floats(-38.0, 38.0), st.floats(-38.0, 38.0))
def test_cdf_rises(a, b):
    low, high = sorted((a, b))
    assert norm_cdf(low) <= norm_cdf(high)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_ppf_rises(a, b):
    low, high = sorted((a, b))
    if high - low > 4e-16 * high:  # neighbouring doubles may share a rounding error
        assert norm_ppf(low) < norm_ppf(high)


@given(st.floats(allow_nan=False))
def test_symmetry(x):
    assert norm_pdf(x) == norm_pdf(-x)
    assert norm_cdf(x) + norm_cdf(-x) == pytest.approx(1.0, abs=2e-16)


@given(st.integers(1, 2**53 - 1))
def test_quantiles_are_symmetric(k):
    p = k / 2**53  # both p and 1 - p are doubles
    assert norm_ppf(p) == -norm_ppf(1.0 - p)
