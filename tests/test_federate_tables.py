"""Tables of sums by name: what is written is read back, whatever other sites have, or an error says why not."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omopsql.errors import OmopsqlError
from omopsql.federate import shamir
from omopsql.federate.names import Statistics, entries_of, statistics_of
from omopsql.federate.sketch import LEAST_ROOM, read_back, room_for, width, written

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.tuples(st.text(max_size=40), st.lists(INT64, max_size=6).map(tuple))


def statistics(rows: dict) -> Statistics:
    text = pa.array([name for name, _ in rows], pa.string())
    key = pa.array([list(key) for _, key in rows], pa.list_(pa.int64()))
    return Statistics(text, key, np.array(list(rows.values()), np.int64))


def as_rows(found: Statistics) -> dict:
    names = zip(found.text.to_pylist(), map(tuple, found.key.to_pylist()), strict=True)
    return dict(zip(names, found.n.tolist(), strict=True))


def read_sum(sites: list[dict], room: int = LEAST_ROOM) -> dict:
    words = sum((written(entries_of(statistics(rows)), room) for rows in sites), np.zeros(width(room), np.uint64))
    return as_rows(statistics_of(read_back(words, room, "total"), "total"))


@given(st.lists(st.dictionaries(NAMES, INT64, max_size=12), min_size=1, max_size=4))
def test_sums_by_name_are_read_back_from_the_sum_of_tables(sites):
    expected: dict = {}
    for rows in sites:
        for name, n in rows.items():
            expected[name] = (expected.get(name, 0) + n + 2**63) % 2**64 - 2**63
    assert read_sum(sites) == expected


def test_a_name_may_begin_as_another_ends():
    rows = {("a", ()): 1, ("a", (0,)): 2, ("a" * 13, ()): 3, ("a" * 14, ()): 4, ("", ()): 5, ("", (1,) * 40): 6}
    assert read_sum([rows, rows]) == {name: 2 * n for name, n in rows.items()}


def test_a_full_table_is_read_back():
    rows = {("items", (i, i * i)): i for i in range(50_000)}
    assert read_sum([rows, rows, rows], room_for(len(rows))) == {name: 3 * n for name, n in rows.items()}


def test_a_table_that_is_too_small_is_refused():
    rows = {("items", (i,)): i for i in range(2 * LEAST_ROOM)}
    with pytest.raises(OmopsqlError, match=r"total cannot be read: room for 1,024 statistics .* mask with --room 2048"):
        read_sum([rows])


def test_a_changed_table_is_refused():
    words = written(entries_of(statistics({("items", (1, 2)): 3})), LEAST_ROOM)
    words[np.flatnonzero(words)[0]] += np.uint64(1)
    with pytest.raises(OmopsqlError, match="total cannot be read"):
        read_back(words, LEAST_ROOM, "total")


def test_a_name_without_its_beginning_is_refused():
    entries = entries_of(statistics({("a long text of several pieces", (1,)): 3}))
    keep = entries.parent != 0
    with pytest.raises(OmopsqlError, match="total is damaged: a piece of a name is missing"):
        statistics_of(type(entries)(*(getattr(entries, c)[keep] for c in ("parent", "first", "second", "n"))), "total")


@given(st.binary(min_size=32, max_size=32), st.integers(1, 5), st.randoms(use_true_random=False))
def test_any_shares_up_to_the_threshold_give_the_secret(secret, threshold, random):
    shares = dict(enumerate(shamir.split(secret, 6, threshold, "test"), 1))
    chosen = random.sample(sorted(shares), threshold)
    assert shamir.joined({holder: shares[holder] for holder in chosen}) == secret
    if threshold > 1:
        fewer = {holder: shares[holder] for holder in chosen[1:]}
        assert shamir.joined(fewer) != secret


def test_fewer_shares_fit_every_secret():
    """Two of three shares lie on a polynomial through any secret: they tell nothing about which it is."""
    one, two, three = (int.from_bytes(share, "big") for share in shamir.split(bytes(range(32)), 3, 3, "test"))
    for secret in (0, 1, shamir.PRIME - 1):  # Lagrange through (0, secret), (1, one), (2, two), then its value at 3
        third = (secret - 3 * one + 3 * two) % shamir.PRIME
        shares = {1: one, 2: two, 3: third}
        told = {holder: value.to_bytes(33, "big") for holder, value in shares.items()}
        joined = shamir.joined(told)
        assert joined is None if secret >= 2**256 else int.from_bytes(joined, "big") == secret
    assert three not in (one, two)
