"""Keys that differ are proven to; keys that do not are counted all the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import omopsql
from omopsql.quality import keys
from omopsql.quality.opened import Cdm
from omopsql.udfs.keys import WORD, meet_keys

KEYS = st.lists(st.integers(-300, 300), max_size=60)


@given(KEYS, st.integers(-400, -300))
def test_keys_met_again_are_counted(found: list[int], lowest: int) -> None:
    seen = np.zeros(700 // WORD + 1, np.uint64)
    array = np.array(found, np.int64)
    assert meet_keys(array, lowest, seen) == len(found) - len(set(found))
    assert meet_keys(array, lowest, seen) == len(found)  # every one is known now


def test_keys_far_from_zero_fit() -> None:
    seen = np.zeros(2, np.uint64)
    array = np.array([2**61, 2**61 + 127], np.int64)
    assert meet_keys(array, 2**61, seen) == 0
    assert seen.tolist() == [1, 2**63]


@pytest.mark.parametrize(
    ("key", "proven", "violated"),
    [
        ("i", True, 0),
        ("i * 1000 - 7", True, 0),
        ("i // 2", False, 200),
        ("CASE WHEN i = 7 THEN 8 ELSE i END", False, 2),
        ("CASE WHEN i % 2 = 0 THEN i END", True, 0),
        ("i * 100000000000", False, 0),
        ("CAST(i AS VARCHAR)", False, 0),
    ],
    ids=["dense", "wide", "twice", "one pair", "with NULL", "too wide", "text"],
)
def test_a_large_table_is_judged_as_a_small_one(
    monkeypatch: pytest.MonkeyPatch, key: str, proven: bool, violated: int
) -> None:
    with omopsql.connect() as con:
        con.execute("CREATE SCHEMA hospital")
        con.execute(f"CREATE TABLE hospital.note AS SELECT {key} AS note_id FROM range(200) AS r (i)")
        check = "field_isprimarykey_note_note_id"
        asked = f"SELECT numViolatedRows FROM omopsql.check_cdm('hospital') WHERE checkId = '{check}'"
        assert con.execute(asked).fetchall() == [(violated,)]
        monkeypatch.setattr(keys, "_LARGE", 10)
        with con.cursor() as cursor:
            assert keys.differ(Cdm(cursor, "hospital"), "note", "note_id") is proven
        assert con.execute(asked).fetchall() == [(violated,)]
