"""Margins: atoms, intervals, labels, the rest and the missing, and what they must not tell."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omopsql.relation import resolve
from omopsql.synth import columns as c
from omopsql.synth.bins import bins_of
from omopsql.synth.counts import create_source
from omopsql.synth.encode import encode
from omopsql.synth.margins import Margin, SourceCounts, Survey
from omopsql.synth.numberline import _roundest, number_line
from omopsql.udfs.bucket import value_bucket

MIN_CELL = 10


def counted(values: list[float], min_cell: int = MIN_CELL) -> pa.Table:
    """What the counting query answers for a list of numbers."""
    value, n = np.unique(np.array(values, float), return_counts=True)
    return pa.table(
        {
            "bucket": [value_bucket(v) for v in value],
            "atom": [v if k >= min_cell else math.nan for v, k in zip(value, n, strict=True)],
            "step": [1.0] * len(value),
            "n": n.astype(np.int64),
            "values": [1] * len(value),
        }
    )


def survey(con, query: str, kinds: dict[str, str] | None = None) -> list[Margin]:
    """Margins of the columns of a query."""
    con.execute(f"CREATE OR REPLACE TABLE source AS {query}")
    with con.cursor() as cursor:
        relation = resolve(cursor, "source")
        create_source(cursor, relation)
        rows = cursor.execute("SELECT count(*) FROM source").fetchall()[0][0]
        margins = Survey(SourceCounts(cursor, rows, MIN_CELL), relation.columns, rows, MIN_CELL).margins(kinds or {})
        learned = [margin for margin in margins if margin.column.kind in c.LEARNED]
        if learned:
            cells = encode(cursor, relation.columns, learned, rows)
            for j, margin in enumerate(learned):
                assert (np.bincount(cells[j], minlength=len(margin.n)) >= margin.n).all()
    return margins


numbers = st.lists(
    st.one_of(
        st.integers(-1000, 1000).map(float),
        st.floats(-1e12, 1e12),
        st.sampled_from([0.0, -0.0, 1.0, 36.6, 1e-300, -1e300]),
    ),
    min_size=1,
    max_size=400,
)


@settings(max_examples=150, deadline=None)
@given(numbers, st.integers(1, 20))
@example([0.0] * 6 + [1.0] * 6 + [-1.0, 2.225073858507e-311], 7)
def test_every_released_cell_holds_enough_rows_inside_the_data(values, min_cell):
    low, high, n = number_line(counted(values, min_cell), 0.0, len(values), min_cell)
    assert (n >= min_cell).all()
    assert n.sum() <= len(values)
    assert len(values) - n.sum() < min_cell or len(n) == 0
    assert (low <= high).all()
    assert (np.diff(low) >= 0).all()
    if len(n):
        slack = 1e-6 * max(map(abs, values)) + 1e-300
        assert low[0] >= min(values) - slack
        assert high[-1] <= max(values) + slack


def test_the_extremes_of_single_persons_are_not_released():
    values = [*np.linspace(100, 200, 500), 5.0, 9000.0]
    low, high, _ = number_line(counted(values), 0.0, len(values), MIN_CELL)
    assert low[0] > 50
    assert high[-1] < 400


def test_inner_edges_are_no_values_of_persons():
    values = np.sort(np.random.default_rng(1).lognormal(3, 1, 2000))
    low, high, _ = number_line(counted(list(values)), 0.0, len(values), MIN_CELL)
    edges = np.concatenate([low[1:], high[:-1]])
    exact = np.isin([value_bucket(e) for e in edges], [value_bucket(v) for v in values])
    assert exact.mean() < 0.05


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_roundest_stays_between_and_is_round(a, width):
    b = a + width
    found = _roundest(a, b)
    assert a <= found <= b
    step = 2.0 ** math.floor(math.log2(b - a))
    assert found / step * 4 == round(found / step * 4)


def test_heaped_values_stay_atoms_among_many_values(con):
    (margin,) = survey(con, "SELECT CASE WHEN i % 4 = 0 THEN 50.0 ELSE i / 7.0 END AS x FROM range(4000) AS r (i)")
    atom = np.flatnonzero((margin.low == 50.0) & (margin.high == 50.0))
    assert margin.n[atom].sum() >= 1000


@pytest.mark.parametrize(
    ("column", "kind", "unit"),
    [
        ("i", c.IDENTIFIER, None),
        ("i % 300", c.NUMBER, 1.0),
        ("(i % 300) * 0.5", c.NUMBER, 0.1),
        ("(i % 300)::FLOAT / 8", c.NUMBER, 0.001),
        ("sqrt(i)", c.NUMBER, 0.0),
        ("DATE '2020-01-01' + (i % 300)::INTEGER", c.NUMBER, 1.0),
        ("i % 2 = 0", c.NUMBER, 1.0),
        ("'c' || (i % 5)", c.CATEGORY, 0.0),
        ("'MRN' || i", c.IDENTIFIER, None),
        ("uuid()", c.IDENTIFIER, None),
        ("'he said ' || i || ' and then left for home'", c.UNLEARNED, None),
        ("[i]", c.UNLEARNED, None),
        ("{'a': i}", c.UNLEARNED, None),
        ("CASE WHEN i % 9 = 0 THEN 'N' ELSE (i * 37 % 2003)::VARCHAR END", c.NUMBER_TEXT, 1.0),
        ("CASE WHEN i % 9 = 0 THEN '7' ELSE (i * 37 % 2003 / 4)::DECIMAL(8, 2)::VARCHAR END", c.NUMBER_TEXT, 0.01),
        ("(DATE '2020-01-01' + (i * 37 % 2003)::INTEGER)::VARCHAR", c.NUMBER_TEXT, 1.0),
        ("NULL::INTEGER", c.NUMBER, 0.0),
    ],
)
def test_kinds_are_recognised(con, column, kind, unit):
    (margin,) = survey(con, f"SELECT {column} AS x FROM range(5000) AS r (i)")
    assert margin.column.kind == kind
    if unit is not None:
        assert margin.column.unit == unit


def test_a_kind_can_be_asked_for(con):
    query = "SELECT i % 7 AS code, i AS n FROM range(1000) AS r (i)"
    code, n = survey(con, query, {"code": c.UNLEARNED, "n": c.NUMBER})
    assert code.column.kind == c.UNLEARNED
    assert n.column.kind == c.NUMBER
    assert n.numbers


def test_rare_labels_are_pooled_without_their_text(con):
    (margin,) = survey(
        con, "SELECT CASE WHEN i % 50 = 0 THEN 'rare' || i ELSE 'common' END AS x FROM range(1000) AS r (i)"
    )
    assert margin.labels == ("common",)
    assert margin.n[margin.rest] == 20


def test_too_few_rare_or_missing_values_are_left_out(con):
    (margin,) = survey(
        con,
        """SELECT CASE WHEN i < 5 THEN NULL WHEN i < 9 THEN 'rare' || i ELSE 'c' || (i % 2) END AS x
        FROM range(1000) AS r (i)""",
    )
    assert not margin.has_rest
    assert not margin.has_missing


def test_not_a_number_and_infinity_are_missing(con):
    (margin,) = survey(
        con,
        """SELECT CASE WHEN i < 20 THEN 'nan'::DOUBLE WHEN i < 40 THEN 'inf'::DOUBLE WHEN i < 60 THEN NULL
        ELSE i % 3 END AS x FROM range(1000) AS r (i)""",
    )
    assert margin.n[margin.missing] == 60


def test_a_hundred_thousand_labels(con):
    (margin,) = survey(con, "SELECT 'code ' || (i % 100000) AS x FROM range(1100000) AS r (i)", {"x": c.CATEGORY})
    assert len(margin.labels) == 100_000
    bins = bins_of(margin, 32)
    assert bins.max() < 32


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 1000), min_size=0, max_size=200),
    st.integers(0, 80),
    st.booleans(),
    st.booleans(),
    st.integers(4, 64),
)
def test_bins_cover_the_cells_in_order(line, labels, has_rest, has_missing, most):
    count = [*line, *([5] * labels), *([7] * has_rest), *([9] * has_missing)]
    if not count:
        return
    low = np.arange(len(line), dtype=float)
    names = tuple(f"l{i}" for i in range(labels))
    margin = Margin(
        c.Column("x", "DOUBLE", c.NUMBER), low, low, names, has_rest, has_missing, np.array(count, np.int64)
    )
    bins = bins_of(margin, most)
    assert bins.max() < most
    assert set(bins.tolist()) == set(range(bins.max() + 1))
    assert (np.diff(bins) >= 0).all()
    if has_missing:
        assert (bins == bins[-1]).sum() == 1
