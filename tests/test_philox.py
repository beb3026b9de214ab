"""Philox 4x32-10 against the known answers of Random123, and what the numbers made of it must be like."""

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from omopsql.udfs.normal import norm_ppf
from omopsql.udfs.philox import philox4x32, philox_normal, philox_uniform, philox_words, uniform_32, uniform_52

BIGINT = st.integers(-(2**63), 2**63 - 1)
WORD = 2**32 - 1

KNOWN_ANSWERS = [  # counter, key, result: kat_vectors of Random123
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[np.uint64]:
    return [np.uint64(int(word, 16)) for word in text.split()]


@njit
def uniform_52_at(high, low):
    return uniform_52(high, low)


@njit
def uniform_32_at(word):
    return uniform_32(word)


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN_ANSWERS)
def test_known_answers(counter, key, result):
    assert list(philox4x32(*words(counter), *words(key))) == words(result)


def test_seed_row_and_dimension_are_the_key_and_the_counter():
    """Negative numbers and numbers beyond 32 bits keep every bit."""
    assert list(philox_words(0, 0, 0, 0)) == words(KNOWN_ANSWERS[0][2])
    assert list(philox_words(-1, -1, WORD, WORD)) == words(KNOWN_ANSWERS[1][2])
    seed, row = 0x299F31D0A4093822, 0x85A308D3243F6A88 - 2**64
    assert list(philox_words(seed, row, 0x13198A2E, 0x03707344)) == words(KNOWN_ANSWERS[2][2])


def test_the_largest_and_smallest_words_stay_inside_zero_and_one():
    """With 53 bits the largest would round up to 1, whose quantile is infinite."""
    assert (float(2**53 - 1) + 0.5) / 2**53 == 1.0
    assert 0.0 < uniform_52_at(np.uint64(0), np.uint64(0)) < uniform_52_at(np.uint64(WORD), np.uint64(WORD)) < 1.0
    assert 0.0 < uniform_32_at(np.uint64(0)) < uniform_32_at(np.uint64(WORD)) < 1.0
    assert np.isfinite(norm_ppf(uniform_52_at(np.uint64(WORD), np.uint64(WORD))))


@given(BIGINT, BIGINT, BIGINT)
def test_strictly_inside_zero_and_one(seed, row, dim):
    assert 0.0 < philox_uniform(seed, row, dim) < 1.0
    assert philox_normal(seed, row, dim) == norm_ppf(philox_uniform(seed, row, dim))


@pytest.mark.parametrize("varying", ["seed", "row", "dim"])
def test_uniform(con: duckdb.DuckDBPyConnection, varying: str):
    """Neighbours in any argument are uniform, and independent of each other."""
    call = {"seed": "i, 5, 7", "row": "5, i, 7", "dim": "5, 7, i"}[varying]
    query = f"SELECT omopsql.philox_uniform({call}) FROM range(20000) AS r (i) ORDER BY i"
    drawn = np.array(con.execute(query).fetchall())[:, 0]
    assert len(set(drawn)) == 20_000
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / np.sqrt(20_000)


def test_normal(con: duckdb.DuckDBPyConnection):
    query = "SELECT omopsql.philox_normal(1, i, 0) FROM range(20000) AS r (i)"
    assert stats.kstest(np.array(con.execute(query).fetchall())[:, 0], "norm").pvalue > 1e-3


def test_the_same_cell_whoever_asks(con: duckdb.DuckDBPyConnection):
    """One thread or two, in any order, alone or among others: a cell keeps its number."""
    query = "SELECT list(u ORDER BY i) FROM (SELECT i, omopsql.philox_uniform(42, i, 3) AS u FROM cells)"
    con.execute("CREATE TABLE cells AS SELECT i FROM range(300000) AS r (i) ORDER BY hash(i)")
    con.execute("SET threads = 1")
    alone = con.execute(query).fetchall()
    con.execute("SET threads = 2")
    assert con.execute(query).fetchall() == alone
    assert alone[0][0][12345] == philox_uniform(42, 12345, 3)
    assert con.execute("SELECT omopsql.philox_uniform(42, 12345, 3)").fetchall() == [(alone[0][0][12345],)]


def test_null_in_any_argument_is_null(con: duckdb.DuckDBPyConnection):
    for call in ("NULL, 1, 1", "1, NULL, 1", "1, 1, NULL", "i, NULL, 1"):
        rows = con.execute(f"SELECT omopsql.philox_uniform({call}) FROM range(2) AS r (i)").fetchall()
        assert rows == [(None,), (None,)], call
    assert con.execute("SELECT omopsql.philox_uniform(i, i, i) FROM range(0) AS r (i)").fetchall() == []
