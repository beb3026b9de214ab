"""Events as sums over persons: of sites, of persons in any order, of each person once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from planted_events import ITEMS, RULES, Hospital, margins_of, plan_of, planted_hospital, planted_items, site_of

from omopsql.synth.hospital import events as layer
from omopsql.synth.hospital.counting import chosen, counted, hashed
from omopsql.synth.hospital.events import first_round
from omopsql.synth.hospital.events.series import Series
from omopsql.synth.hospital.lives import offsets_of
from omopsql.synth.hospital.plan import Items, Plan
from omopsql.synth.hospital.sums import Sums


def _rounds(hospital: Hospital, plan: Plan) -> tuple[Sums, Sums]:
    return margins_of(hospital), layer.sums(site_of(hospital), plan)


@pytest.fixture(scope="module")
def planned() -> tuple[Hospital, Plan, tuple[Sums, Sums]]:
    """A small hospital, its plan, and the sums of both rounds."""
    hospital = planted_hospital(400)
    plan = plan_of(margins_of(hospital))
    return hospital, plan, _rounds(hospital, plan)


def test_the_sums_of_split_sites_are_those_of_the_whole(planned: tuple[Hospital, Plan, tuple[Sums, Sums]]) -> None:
    hospital, plan, whole = planned
    site_of = np.random.default_rng(3).integers(0, 3, len(hospital.people))
    parts = [_rounds(hospital.some(np.flatnonzero(site_of == site)), plan) for site in range(3)]
    for number in (0, 1):
        merged = Sums.merged([part[number] for part in parts])
        assert merged.to_table().equals(whole[number].to_table())


def test_the_order_of_persons_does_not_matter(planned: tuple[Hospital, Plan, tuple[Sums, Sums]]) -> None:
    hospital, plan, whole = planned
    shuffled = hospital.some(np.random.default_rng(4).permutation(len(hospital.people)))
    for one, other in zip(_rounds(shuffled, plan), whole, strict=True):
        assert one.to_table().equals(other.to_table())


def test_a_site_that_numbers_its_items_otherwise_counts_the_same(
    planned: tuple[Hospital, Plan, tuple[Sums, Sums]],
) -> None:
    hospital, _, _ = planned
    items, number = planted_items(), np.random.default_rng(5).permutation(len(ITEMS))
    place = np.argsort(number)
    renumbered = Items(items.table[place], items.concept[place])
    one = first_round.first_round(hospital.people, hospital.events, items)
    other = first_round.first_round(hospital.people, hospital.renumbered(number).events, renumbered)
    ordered = _pairs_in_order(one).to_table(), _pairs_in_order(other).to_table()
    assert ordered[0].equals(ordered[1])


def _pairs_in_order(sums: Sums) -> Sums:
    """Name each pair of a symmetric statistic by its smaller item first."""
    ordered = Sums()
    for statistic in sums:
        counts = sums.counted(statistic)
        keys = counts.keys.copy()
        if statistic in ("events.ever", "events.sameday"):
            turned = (keys[:, 0] > keys[:, 2]) | ((keys[:, 0] == keys[:, 2]) & (keys[:, 1] > keys[:, 3]))
            keys[turned] = keys[turned][:, [2, 3, 0, 1]]
        ordered.put(statistic, keys, counts.n)
    return ordered


def test_a_person_counts_once_at_most_in_each_cell_and_histogram(
    planned: tuple[Hospital, Plan, tuple[Sums, Sums]],
) -> None:
    hospital, plan, _ = planned
    for person in range(60):
        for sums in _rounds(hospital.some(np.array([person])), plan):
            for statistic in sums:
                counts = sums.counted(statistic)
                assert (counts.n == 1).all(), statistic
                if RULES[statistic].kind == "pool":
                    assert len(np.unique(counts.keys[:, :-1], axis=0)) == len(counts), statistic


# What persons' records are chosen and counted by


_RECORDS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 60)), min_size=1, max_size=40)


def _series_of(records: list[tuple[int, int, int]]) -> Series:
    rows = np.unique(np.array(records, np.int64), axis=0)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 2], rows[:, 0]))]
    return Series.of(offsets_of(rows[:, 0], 5), rows[:, 1], rows[:, 2])


@given(_RECORDS)
def test_series_hold_the_days_of_each_person_and_item(records: list[tuple[int, int, int]]) -> None:
    days: dict[tuple[int, int], list[int]] = {}
    for person, item, day in sorted(set(records)):
        days.setdefault((person, item), []).append(day)
    series = _series_of(records)
    entries = list(zip(series.person.tolist(), series.item.tolist(), strict=True))
    assert entries == sorted(days)
    assert [days[entry] for entry in entries] == [
        series.day[start : start + count].tolist()
        for start, count in zip(series.start.tolist(), series.count.tolist(), strict=True)
    ]
    assert all(series.day[some] in days[entry] for some, entry in zip(series.some, entries, strict=True))
    places, gaps = series.gaps()
    assert [entry for entry in entries if len(days[entry]) > 1] == [entries[place] for place in places]
    assert all(gap in np.diff(days[entries[place]]) for place, gap in zip(places, gaps, strict=True))
    for place, distance in zip(*series.distances(), strict=True):
        own = days[entries[place]]
        assert distance in {abs(a - b) for a in own for b in own if a != b}


@hypothesis_settings(max_examples=50)
@given(_RECORDS, st.permutations(range(5)))
def test_the_days_that_stand_for_a_person_do_not_hang_on_his_place(
    records: list[tuple[int, int, int]], place: list[int]
) -> None:
    one, other = _series_of(records), _series_of([(place[person], item, day) for person, item, day in records])
    stands = {(place[p], i): day for p, i, day in zip(one.person, one.item, one.day[one.some], strict=True)}
    assert stands == {(p, i): day for p, i, day in zip(other.person, other.item, other.day[other.some], strict=True)}


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-(2**62), 2**62)), min_size=1, max_size=30))
def test_equal_rows_are_counted_even_where_their_numbers_are_huge(rows: list[tuple[int, int]]) -> None:
    table = np.array(rows, np.int64)
    for columns in (table.T, (table.T[0], table.T[1] % 7)):
        keys, n = counted(*columns)
        plain = list(zip(*(column.tolist() for column in columns), strict=True))
        assert [tuple(key) for key in keys.tolist()] == sorted(set(plain))
        assert n.tolist() == [plain.count(row) for row in sorted(set(plain))]


def test_choices_are_even_and_hang_on_the_record_alone() -> None:
    record = np.arange(60_000)
    choices = chosen(np.full(60_000, 6), record)
    assert np.abs(np.bincount(choices, minlength=6) - 10_000).max() < 500
    assert np.array_equal(choices[::-1], chosen(np.full(60_000, 6), record[::-1]))
    assert len(np.unique(hashed(record, record % 3))) == 60_000
    assert (hashed(record, record + 1) != hashed(record + 1, record)).all()
