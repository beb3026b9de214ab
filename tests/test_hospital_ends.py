"""The highest and the lowest values of stays, and which visits are stays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from omopsql.synth.hospital.sums import Sums
from omopsql.synth.hospital.values.ends import ends_of, no_ends
from omopsql.synth.hospital.values.grid import DIGITS
from omopsql.synth.hospital.values.source import Contacts, Numbers, Series, at_moments, intensive
from omopsql.synth.hospital.values.structure import Structure
from omopsql.udfs.outlets import Outlets, fill_ends

STAYS, LONG, HASH = 4000, 40, 7
STRUCTURE = cast(Structure, SimpleNamespace(hashes=np.array([HASH])))


def drawn(records: int = LONG) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the records of each stay begin, their series, and their levels."""
    begins = np.arange(STAYS + 1) * records
    level = np.random.default_rng(3).normal(size=STAYS * records)
    return begins, np.zeros(len(level), np.int32), level


def test_ends_are_brought_to_their_places_and_mean_and_spread_stay():
    begins, series, level = drawn()
    ends = no_ends(STRUCTURE)
    brought = level.copy()
    fill_ends(ends._replace(raised=ends.raised + 0.5), begins, series, brought)
    before, after = level.reshape(STAYS, LONG), brought.reshape(STAYS, LONG)
    assert after.max(axis=1) == pytest.approx(before.max(axis=1) + 0.5)
    assert after.min(axis=1) == pytest.approx(before.min(axis=1))
    assert after.mean(axis=1) == pytest.approx(before.mean(axis=1), abs=1e-9)
    assert np.mean(after.std(axis=1)) == pytest.approx(np.mean(before.std(axis=1)), abs=0.005)
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()


def test_short_runs_stay_as_they_are():
    begins, series, level = drawn(records=3)
    ends = no_ends(STRUCTURE)
    brought = level.copy()
    fill_ends(ends._replace(raised=ends.raised + 0.5), begins, series, brought)
    assert brought.tolist() == level.tolist()


def test_the_highest_fall_into_values_as_often_as_in_the_source():
    """Fewer stays of the source leave the usual values at the top than paths of many records do."""
    begins, series, level = drawn()
    cells = np.linspace(-3.0, 3.0, 61)
    upto = np.append(cells, np.inf)
    count = len(upto)
    outlets = Outlets(
        np.array([0, count]), upto, np.arange(count), np.ones(count, np.int64), np.zeros(count), np.ones((1, DIGITS))
    )
    told = Sums()
    told.put("values.highest", [[HASH, 42, 50], [HASH, 51, 54], [HASH, 55, 59]], [700, 200, 100])
    ends = ends_of(STRUCTURE, told, outlets, begins, series, level)
    fill_ends(ends, begins, series, level)
    highest = np.searchsorted(upto, level.reshape(STAYS, LONG).max(axis=1), "right")
    shares = [np.mean((highest >= low) & (highest <= high)) for low, high in ((42, 50), (51, 54), (55, 59))]
    assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.03)


def test_a_visit_with_values_at_six_moments_is_a_stay_whatever_they_are_of():
    """Visit 0: six series, one value each, at six moments. Visit 1: the same at one moment."""
    series = Series(*(np.arange(6) for _ in range(4)), [str(k) for k in range(6)])
    contact, of_series = np.repeat([0, 1], 6).astype(np.int32), np.tile(np.arange(6), 2).astype(np.int32)
    minute = np.where(contact == 0, of_series * 60, 0).astype(np.int32)
    none = np.zeros(12, np.int32)
    told = ['{"code": "x", "concept": 9, "table": 4, "unit": 0}']
    numbers: Numbers = at_moments(series, told, none, contact, of_series, none, minute, none, np.ones(12))
    two = np.zeros(2, np.int32)
    contacts = Contacts(two, np.arange(2, dtype=np.int32), np.zeros(2, np.int64), two, two, two, np.zeros(2), {})
    assert intensive(numbers, contacts).tolist() == [True, False]
