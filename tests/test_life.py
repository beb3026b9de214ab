"""The kernels that count and make events, against plain loops and against what statistics knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.stats import multivariate_normal, norm

from omopsql.synth.hospital.events.tables import BinTable
from omopsql.udfs import life_days, life_streams, life_tables
from omopsql.udfs.company import company, pairs_of_days, pairs_of_persons, triples_of_persons
from omopsql.udfs.episodes import parsed
from omopsql.udfs.lags import lags_before
from omopsql.udfs.latents import latents
from omopsql.udfs.stream import start
from omopsql.udfs.tetrachoric import both_above, tetrachoric

_ITEMS, _PERSONS = 5, 4
_RECORDS = st.sets(st.tuples(st.integers(0, _PERSONS - 1), st.integers(0, 12), st.integers(0, _ITEMS - 1)), max_size=40)


def _arrays(records):
    """Records (person, day, item) as offsets, items and days."""
    rows = np.array(sorted(records), np.int64).reshape(-1, 3)
    offsets = np.searchsorted(rows[:, 0], np.arange(_PERSONS + 1))
    return offsets, rows[:, 2].astype(np.int32), rows[:, 1].astype(np.int32)


def _items_of(records):
    """The distinct items of each person."""
    return [sorted({item for p, _, item in records if p == person}) for person in range(_PERSONS)]


def _flat(lists):
    offsets = np.concatenate([[0], np.cumsum([len(entries) for entries in lists])])
    return offsets, np.array([entry for entries in lists for entry in entries], np.int64)


# A day becomes episodes


_RANK = np.array([0, 1, 2, 3, 4])  # 0 and 1 are conditions; 2 may join both, 3 joins 2, 4 joins nobody
_DRIVERS_OF, _DRIVER, _BIT = np.array([0, 0, 0, 2, 3, 3]), np.array([1, 0, 2]), np.array([5, 0, 1])

DAYS = [  # items of a day, its episodes (driver, companions)
    ([0, 2], [(0, 1 << 0)]),
    ([1, 2], [(1, 1 << 5)]),
    ([0, 1, 2], [(0, 0), (1, 1 << 5)]),  # the companion joins the driver that draws it most
    ([0, 1], [(0, 0), (1, 0)]),
    ([2], [(2, 0)]),  # alone, it is a driver itself
    ([2, 3], [(2, 1 << 1)]),
    ([0, 2, 3], [(0, 1 << 0), (3, 0)]),  # a companion drives nothing
    ([0, 4], [(0, 0), (4, 0)]),
]


@pytest.mark.parametrize(("items", "episodes"), DAYS)
def test_a_day_becomes_episodes(items, episodes):
    item = np.array(items, np.int32)
    day = np.full(len(items), 7, np.int32)
    offsets, driver, days, mask = parsed(np.array([0, len(items)]), item, day, _RANK, _DRIVERS_OF, _DRIVER, _BIT)
    assert list(zip(driver.tolist(), mask.tolist(), strict=True)) == episodes
    assert offsets.tolist() == [0, len(episodes)]
    assert (days == 7).all()


@given(_RECORDS)
def test_each_day_is_parsed_for_itself(records):
    """No driver of the day or person before draws a companion."""
    records = {(person, day, item) for person, day, item in records}
    offsets, driver, days, mask = parsed(*_arrays(records), _RANK, _DRIVERS_OF, _DRIVER, _BIT)
    person = np.repeat(np.arange(_PERSONS), np.diff(offsets))
    found = sorted(zip(person.tolist(), days.tolist(), driver.tolist(), mask.tolist(), strict=True))
    wanted = []
    for who, on in {(who, on) for who, on, _ in records}:
        items = np.array([item for p, day, item in sorted(records) if (p, day) == (who, on)], np.int32)
        alone = parsed(
            np.array([0, len(items)]), items, np.zeros(len(items), np.int32), _RANK, _DRIVERS_OF, _DRIVER, _BIT
        )
        wanted += [(who, on, *episode) for episode in zip(alone[1].tolist(), alone[3].tolist(), strict=True)]
    assert found == sorted(wanted)


@given(_RECORDS)
def test_no_record_is_lost_or_made_by_parsing(records):
    offsets, driver, _, mask = parsed(*_arrays(records), _RANK, _DRIVERS_OF, _DRIVER, _BIT)
    assert offsets[-1] == len(driver)
    assert len(driver) + sum(int(bits).bit_count() for bits in mask) == len(records)


# Items that meet


@given(_RECORDS)
def test_pairs_of_persons_are_those_of_a_plain_loop(records):
    of_person = _items_of(records)
    wanted = np.zeros((_ITEMS, _ITEMS), int)
    for items in of_person:
        for a in items:
            for b in items:
                wanted[a, b] += 1
    assert np.array_equal(pairs_of_persons(*_flat(of_person), _ITEMS), wanted)


@given(_RECORDS)
def test_pairs_of_days_count_persons_not_days(records):
    wanted = np.zeros((_ITEMS, _ITEMS), int)
    for person in range(_PERSONS):
        for a in range(_ITEMS):
            for b in range(_ITEMS):
                days = [{day for p, day, item in records if (p, item) == (person, x)} for x in (a, b)]
                wanted[a, b] += a != b and bool(days[0] & days[1])
    assert np.array_equal(pairs_of_days(*_arrays(records), _ITEMS), wanted)


@given(_RECORDS, st.randoms(use_true_random=False))
def test_company_is_that_of_the_chosen_day(records, random):
    person_of, item_of, day_of = [], [], []
    wanted = np.zeros((_ITEMS, _ITEMS), int)
    for person, items in enumerate(_items_of(records)):
        for item in items:
            day = random.choice(sorted(d for p, d, i in records if (p, i) == (person, item)))
            person_of.append(person)
            item_of.append(item)
            day_of.append(day)
            for other in {i for p, d, i in records if (p, d) == (person, day)} - {item}:
                wanted[item, other] += 1
    choices = (np.array(column, np.int64) for column in (person_of, item_of, day_of))
    assert np.array_equal(company(*_arrays(records), *choices, _ITEMS), wanted)


_PAIR = st.tuples(st.integers(-1, _ITEMS - 1), st.integers(-1, _ITEMS - 1))


@given(_RECORDS, st.lists(st.tuples(_PAIR, _PAIR), min_size=_ITEMS, max_size=_ITEMS))
def test_triples_are_those_of_a_plain_loop(records, pairs):
    table = np.array(pairs, np.int64)
    table[(table < 0).any(2)] = -1
    of_person = _items_of(records)
    wanted = [
        [sum({x, *pair} <= set(items) for items in of_person) if pair[0] >= 0 else 0 for pair in table[x].tolist()]
        for x in range(_ITEMS)
    ]
    first, second = np.ascontiguousarray(table[:, :, 0]), np.ascontiguousarray(table[:, :, 1])
    assert triples_of_persons(*_flat(of_person), first, second, _ITEMS).tolist() == wanted


@given(_RECORDS, st.randoms(use_true_random=False), st.integers(0, 12))
def test_lags_are_from_the_nearest_parent_that_did_not_bring_the_child(records, random, most):
    bit = np.full((_ITEMS, _ITEMS), -1, np.int8)
    bit[0, 1], bit[0, 2], bit[3, 1] = 0, 1, 0
    entries = [[(p, item) for item in items] for p, items in enumerate(_items_of(records))]
    offsets = np.concatenate([[0], np.cumsum([len(own) for own in entries])])
    flat = [entry for own in entries for entry in own]
    days = {entry: sorted(d for p, d, i in records if (p, i) == entry) for entry in flat}
    mask = {(entry, day): random.randrange(4) for entry in flat for day in days[entry]}
    anchor = {entry: random.randrange(len(days[entry])) for entry in flat}
    start_of = np.concatenate([[0], np.cumsum([len(days[entry]) for entry in flat])]).astype(np.int64)
    made = lags_before(
        offsets,
        np.array([item for _, item in flat], np.int64),
        start_of[:-1],
        np.diff(start_of),
        np.array([day for entry in flat for day in days[entry]], np.int64),
        np.array([mask[entry, day] for entry in flat for day in days[entry]], np.uint64),
        start_of[:-1] + np.array([anchor[entry] for entry in flat], np.int64),
        bit,
        most,
    )
    wanted = []
    for child in flat:
        until = days[child][anchor[child]]
        for parent in flat:
            if parent == child or parent[0] != child[0]:
                continue
            number = bit[parent[1], child[1]]
            before = [d for d in days[parent] if d <= until and (number < 0 or not mask[parent, d] >> number & 1)]
            if before and until - before[-1] <= most:
                wanted.append((child[1], parent[1], until - before[-1]))
    assert list(zip(*(column.tolist() for column in made), strict=True)) == wanted


# Latents


@pytest.mark.parametrize("correlation", [-0.95, -0.5, 0.0, 0.3, 0.8, 0.95])
@pytest.mark.parametrize(("h", "k"), [(0.0, 0.0), (1.0, -0.5), (2.0, 2.0), (-1.5, 0.7), (3.0, 1.0)])
def test_both_above_is_the_integral_of_the_bivariate_normal(h, k, correlation):
    exact = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([-h, -k])
    assert both_above(h, k, correlation) == pytest.approx(exact, abs=2e-4)


def _simulated(correlation, persons=200_000, seed=1):
    """Two items of persons in two strata of different thresholds, whose latents are correlated."""
    random = np.random.default_rng(seed)
    z = random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], persons)
    stratum = random.integers(0, 2, persons)
    threshold = np.array([[0.3, 1.2], [1.5, 0.0]])
    both = int((z > threshold[stratum]).all(1).sum())
    return threshold, np.bincount(stratum).astype(float), np.array([[0.0, both], [both, 0.0]])


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.3, 0.8])
def test_the_correlation_of_latents_is_found_across_strata(correlation):
    found, trust = tetrachoric(*_simulated(correlation), 20.0, 0.8)
    assert found[0, 1] == pytest.approx(correlation, abs=0.03)
    assert found[1, 0] == found[0, 1]
    assert found.diagonal().tolist() == [1, 1]
    assert trust[0, 1] == trust[1, 0] > 100


def test_a_structural_zero_is_told_from_one_by_chance():
    threshold = norm.ppf(1 - np.array([[0.3, 0.3, 0.01]]))
    found, trust = tetrachoric(threshold, np.array([1000.0]), np.zeros((3, 3)), 20.0, 0.8)
    assert found[0, 1] < -0.8  # 90 expected
    assert found[0, 2] == found[1, 2] == 0.0  # 3 expected: nothing is known
    assert trust[0, 2] == trust[1, 2] == 0.0
    assert trust[0, 1] > 0


def test_more_than_all_persons_does_not_break_the_search():
    found, _ = tetrachoric(np.array([[-1.0, -1.0]]), np.array([100.0]), np.full((2, 2), 200.0), 20.0, 0.8)
    assert 0 < found[0, 1] < 1


def test_imagined_persons_have_the_correlations_of_their_loadings():
    loadings = np.array([[0.8, 0.0], [0.6, 0.5], [0.0, -0.7]])
    own = np.sqrt(1 - (loadings**2).sum(1))
    drawn = latents(loadings, own, 50_000)
    assert np.abs(drawn.mean(0)).max() < 0.02
    assert np.abs(np.cov(drawn.T) - (loadings @ loadings.T + np.diag(own**2))).max() < 0.03
    assert np.array_equal(drawn[:100], latents(loadings, own, 100))


# Draws from bins


@njit
def _draws(bins, row, least, most, n):
    state, drawn = start(1, 2, 3), np.empty(n, np.int64)
    for i in range(n):
        state, drawn[i] = life_days.drawn(bins, row, least, most, state)
    return drawn


def _table(*rows):
    bins = [tuple(np.array(column) for column in zip(*row, strict=True)) for row in rows]
    table = BinTable.of(bins)
    return life_tables.Bins(table.offsets, table.low, table.high, table.cumulative)


_TWO_ROWS = _table([(500, 900, 1.0)], [(0, 9, 1.0), (10, 10, 6.0), (20, 29, 3.0)])


def test_days_are_drawn_as_their_bins_weigh_and_evenly_within():
    drawn = _draws(_TWO_ROWS, 1, 0, 1000, 50_000)
    share = np.bincount(drawn, minlength=30) / 50_000
    assert share[10] == pytest.approx(0.6, abs=0.01)
    assert share[:10] == pytest.approx(np.full(10, 0.01), abs=0.003)
    assert share[20:30] == pytest.approx(np.full(10, 0.03), abs=0.005)
    assert share.sum() == pytest.approx(share[[*range(11), *range(20, 30)]].sum())


@settings(max_examples=60)
@given(st.integers(0, 1), st.integers(-50, 1000), st.integers(0, 100))
def test_days_lie_between_the_bounds_that_are_asked_for(row, least, more):
    drawn = _draws(_TWO_ROWS, row, least, least + more, 50)
    assert drawn.min() >= least
    assert drawn.max() <= least + more


def test_a_row_that_does_not_reach_the_bounds_is_left_for_even_chances():
    drawn = _draws(_TWO_ROWS, 1, 100, 109, 10_000)
    assert np.bincount(drawn - 100, minlength=10) == pytest.approx(np.full(10, 1000), abs=150)
    assert set(_draws(_TWO_ROWS, 1, 11, 19, 1000).tolist()) == set(range(11, 20))


@given(st.lists(st.lists(st.integers(0, 2**40), min_size=7, max_size=7), min_size=2, max_size=20, unique_by=tuple))
def test_states_of_streams_have_hashes_of_their_own(states):
    assert len(np.unique(life_streams.state_hashes(np.array(states, np.int64)))) == len(states)


# Rhythms in phase


_HOST = 1


@njit
def _moved_days(bit, item, day, mask, at, first_day, last_day):
    moved = day.copy()
    life_days.in_phase(life_tables.Variants(
        item, item, _NO_WEIGHTS, _NO_WEIGHTS, _NO_SHARES, item, _NO_MEETINGS, item, item, bit, _NO_SHARES, 0, 1
    ), _HOST, first_day, last_day, item, moved, mask, at, len(day) - at)  # fmt: skip
    return moved


_NO_WEIGHTS, _NO_SHARES, _NO_MEETINGS = np.zeros((0, 0)), np.zeros(0), np.zeros((0, 0), np.bool_)

PHASES = [  # the hosts' days, the chain, the chain as it is moved
    ([500], [100, 470, 840], [130, 500, 870]),
    ([500, 2000], [100, 470, 840], [130, 500, 870]),
    ([95], [100, 470, 840], [95, 465, 835]),
    ([5000], [100, 470, 840], [100, 470, 840]),  # too far away
    ([], [100, 470, 840], [100, 470, 840]),
    ([500], [400, 950], [400, 950]),  # it would end after the last day
]


@pytest.mark.parametrize(("host_days", "chain", "moved"), PHASES)
@pytest.mark.parametrize("is_companion", [False, True])
def test_a_rhythm_is_moved_as_a_whole_to_meet_its_host(host_days, chain, moved, is_companion):
    bit = np.full((3, 3), -1, np.int64)
    bit[2, _HOST] = 4
    item = np.array([2 if is_companion else _HOST] * len(host_days) + [0] * len(chain), np.int64)
    mask = np.where(item == 2, 1 << 4, 0).astype(np.int64)
    days = np.array([*host_days, *chain], np.int64)
    found = _moved_days(bit, item, days, mask, len(host_days), 0, 1000)
    assert found[len(host_days) :].tolist() == moved


def test_a_rhythm_that_is_too_long_takes_the_quickest_of_its_gaps():
    """A check-up a year, some left out: in a short life none is left out, and none comes between."""
    gaps = np.array([371, 735, 371, 1099, 371])
    assert life_days.quickened(gaps, gaps.sum(), 2600) == gaps.sum()
    assert gaps.tolist() == [371, 371, 371, 1099, 371]
    assert life_days.quickened(gaps, gaps.sum(), 1900) == 5 * 371
    assert set(gaps.tolist()) == {371}
    assert life_days.quickened(gaps, gaps.sum(), 1000) == 1000
    assert set(gaps.tolist()) == {200}
    assert life_days.quickened(gaps, gaps.sum(), 2) == 5
