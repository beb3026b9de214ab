"""Public buckets and the precision of a value."""

import math

import duckdb
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omopsql.udfs.bucket import bucket_low, resolution, value_bucket

LARGEST = np.finfo(float).max
LAST_BUCKET = value_bucket(LARGEST)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
INSIDE = st.floats(-1.797e308, 1.797e308)  # below the last bucket, which has no upper edge


@given(FINITE, FINITE)
@example(0.0, -0.0)
@example(-1.0, -1.0000001)
def test_bucket_order_is_value_order(a, b):
    low, high = sorted((a, b))
    assert value_bucket(low) <= value_bucket(high)


@given(INSIDE)
@example(1.5)
@example(-1.5)
@example(0.0)
@example(5e-324)
@example(-5e-324)
def test_a_value_lies_between_the_edges_of_its_bucket(x):
    bucket = value_bucket(x)
    if x >= 0.0:
        assert bucket_low(bucket) <= x < bucket_low(bucket + 1) or bucket == 0
    else:  # mirrored: the edge nearer to 0 belongs to the bucket
        assert bucket_low(bucket) < x <= bucket_low(bucket + 1) or bucket == 0
    if bucket == 0:
        assert bucket_low(0) < x < bucket_low(1)


@given(INSIDE)
def test_sides_are_mirrored(x):
    assert value_bucket(-x) == -value_bucket(x)


@given(st.floats(1e-300, 1e300))
def test_a_bucket_is_narrow(x):
    """2^-32 of the power of two below the value."""
    bucket = value_bucket(x)
    width = bucket_low(bucket + 1) - bucket_low(bucket)
    assert 2.0**-33 * x < width <= 2.0**-32 * x


@given(st.integers(0, LAST_BUCKET - 2))
@example(0)
@example(LAST_BUCKET - 2)
def test_edges_rise_and_fall_in_their_own_bucket(bucket):
    assert bucket_low(bucket) < bucket_low(bucket + 1)
    assert value_bucket(bucket_low(bucket + 1)) == bucket + 1
    assert bucket_low(-bucket - 1) < bucket_low(-bucket)
    assert value_bucket(bucket_low(-bucket)) == -bucket - 1  # the edge nearer to 0 belongs to a negative bucket


def test_zero_is_in_the_middle_bucket():
    assert value_bucket(0.0) == value_bucket(-0.0) == 0
    assert value_bucket(1e-320) == value_bucket(-1e-320) == 0


def test_what_is_no_finite_number_falls_in_the_last_buckets():
    assert value_bucket(math.inf) == value_bucket(LARGEST)
    assert value_bucket(-math.inf) == value_bucket(-LARGEST)
    assert math.isfinite(bucket_low(value_bucket(math.inf) + 1))
    assert math.isfinite(bucket_low(value_bucket(-math.inf)))


def test_nan_falls_with_the_largest():
    """As in ORDER BY, where DuckDB puts NaN after infinity."""
    assert value_bucket(math.nan) == value_bucket(LARGEST)


@pytest.mark.parametrize(
    ("value", "step"),
    [(0.0, 1.0), (7.0, 1.0), (-7.0, 1.0), (1e15, 1.0), (120.5, 0.1), (-0.25, 0.01), (36.65, 0.01), (0.001, 0.001)],
)
def test_resolution_of_written_numbers(value, step):
    assert resolution(value) == pytest.approx(step, rel=1e-12)


def test_resolution_of_measured_numbers():
    assert resolution(math.pi) == 0.0
    assert resolution(1 / 3) == 0.0
    assert resolution(math.nan) == 0.0


@given(st.integers(-(10**7), 10**7), st.integers(0, 6))
def test_a_decimal_shows_its_last_digit(digits, decimals):
    """Read from text, as from a CSV file: the step is the place of the last digit that is not 0."""
    shown = f"{digits / 10**decimals:.{decimals}f}"
    places = len(shown.partition(".")[2].rstrip("0"))
    assert resolution(float(shown)) == pytest.approx(10.0**-places, rel=1e-12)


def test_sql_answers_like_the_kernels(con: duckdb.DuckDBPyConnection):
    values = [-1e308, -36.65, -0.0, 0.0, 5e-324, 1.0, 120.5, 1e308, math.inf]
    rows = con.execute(
        "SELECT x, omopsql.value_bucket(x), omopsql.bucket_low(omopsql.value_bucket(x)), omopsql.resolution(x) "
        "FROM (SELECT unnest(?) AS x)",
        [values],
    ).fetchall()
    assert rows == [(x, value_bucket(x), bucket_low(value_bucket(x)), resolution(x)) for x in values]


def test_null_is_null(con: duckdb.DuckDBPyConnection):
    for function in ("value_bucket", "bucket_low", "resolution"):
        assert con.execute(f"SELECT omopsql.{function}(NULL)").fetchall() == [(None,)]
        assert con.execute(f"SELECT omopsql.{function}(x) FROM (SELECT 1 AS x WHERE false)").fetchall() == []
        nulls = con.execute(f"SELECT omopsql.{function}(CASE WHEN i > 9 THEN 1 END) FROM range(10) AS r (i)").fetchall()
        assert nulls == [(None,)] * 10
