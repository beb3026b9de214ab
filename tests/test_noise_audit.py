"""An audit that can fail: what an adversary learns from runs on neighbouring tables, bounded from below.

Two tables differ in one person. An event of the output that is likely with her and unlikely without tells epsilon: at
least ln((p - delta) / q), with p and q bounded by Clopper-Pearson at 99.9 %. A sound mechanism stays below what it
declares; the broken ones below must not.
"""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

pytest.importorskip("opendp")

from omopsql.noise import links as of_links
from omopsql.noise import scores as of_scores
from omopsql.noise import strata as of_strata
from omopsql.noise import waves as of_waves
from omopsql.noise.mechanism import Account, Release, epsilon_of, rho_of
from omopsql.noise.pairs import Pairs
from omopsql.noise.people import bounded
from omopsql.relation import resolve
from omopsql.synth.columns import CATEGORY, NUMBER, Column
from omopsql.synth.latent import latents_of
from omopsql.synth.margins import Margin

RUNS = 1500
CONFIDENCE = 0.999
DELTA = 1e-6


def least_epsilon(with_her: np.ndarray, without: np.ndarray, delta: float = DELTA) -> float:
    """The largest lower bound of epsilon over events "at least x" and "below x" in each direction.

    The cut is chosen on one half of the runs and judged on the other, so the bound holds.
    """
    half = len(with_her) // 2
    return max(_bound(a, b, delta, half) for a, b in ((with_her, without), (-without, -with_her)))


def _bound(high: np.ndarray, low: np.ndarray, delta: float, half: int) -> float:
    cuts = np.unique(np.quantile(np.concatenate([high[:half], low[:half]]), np.linspace(0.02, 0.98, 49)))
    best = max(cuts, key=lambda cut: _told((high[:half] >= cut).sum(), (low[:half] >= cut).sum(), half, delta))
    return _told((high[half:] >= best).sum(), (low[half:] >= best).sum(), len(high) - half, delta)


def _told(hits: int, false: int, runs: int, delta: float) -> float:
    least = beta.ppf((1 - CONFIDENCE) / 2, hits, runs - hits + 1) if hits else 0.0
    most = beta.ppf(1 - (1 - CONFIDENCE) / 2, false + 1, runs - false) if false < runs else 1.0
    return math.log((least - delta) / most) if least > delta else 0.0


def sums(account: Account, exact: int, claimed: float = 1.0) -> float:
    return float(account.sums("x", [], np.array([exact]), account.rho, claimed)[0])


def run(exact: int, epsilon: float, claimed: float = 1.0) -> np.ndarray:
    rho = rho_of(epsilon, DELTA / 2)
    found = np.empty(RUNS)
    account = Account(epsilon, DELTA)
    for k in range(RUNS):
        account.releases.clear()
        account.rho = rho
        found[k] = sums(account, exact, claimed)
    return found


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 5.0])
def test_sums_keep_their_epsilon(epsilon):
    assert least_epsilon(run(101, epsilon), run(100, epsilon)) <= epsilon


def test_the_audit_catches_noise_that_is_too_small():
    """The sensitivity is claimed to be a tenth of what it is."""
    assert least_epsilon(run(101, 2.0, 0.1), run(100, 2.0, 0.1)) > 2.0


def test_the_audit_catches_a_contribution_that_is_unbounded():
    """She has twelve rows, and the mechanism takes her for one."""
    assert least_epsilon(run(112, 2.0), run(100, 2.0)) > 2.0


@pytest.fixture(scope="module")
def visits() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("CREATE TABLE visits AS SELECT i // 3 AS person_id, i % 7 AS ward FROM range(300) t(i)")
    con.execute("INSERT INTO visits SELECT 999, 3 FROM range(12)")
    con.execute("INSERT INTO visits SELECT NULL, 3 FROM range(5)")
    return con


def wards(con: duckdb.DuckDBPyConnection, rows: int, without: int | None = None) -> np.ndarray:
    con.execute(f"CREATE OR REPLACE VIEW these AS FROM visits WHERE person_id IS DISTINCT FROM {without or -1}")
    found = bounded(con, resolve(con, "these"), "person_id", rows)
    counted = con.execute(f"SELECT ward, count(*) FROM {found.sql} GROUP BY ward").fetchall()
    table = np.zeros(7, np.int64)
    for ward, n in counted:
        table[ward] = n
    return table


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_person_of_twelve_rows_counts_for_no_more_than_asked(visits, rows):
    change = wards(visits, rows) - wards(visits, rows, without=999)
    assert change.tolist() == [0, 0, 0, rows, 0, 0, 0]


def test_bounded_contributions_keep_epsilon_and_unbounded_ones_do_not(visits):
    with_her, without = (int(wards(visits, 1, person)[3]) for person in (None, 999))
    assert least_epsilon(run(with_her, 1.0), run(without, 1.0)) <= 1.0
    unbounded, less = (int(wards(visits, 1000, person)[3]) for person in (None, 999))
    assert least_epsilon(run(unbounded, 1.0), run(less, 1.0)) > 1.0


def test_a_label_of_one_person_hardly_ever_shows():
    """At a delta of 1 % it would show in fifteen of 1500 runs; its chance is bounded from below."""
    shown = 0
    account = Account(2.0, 0.02)  # a delta that can be seen
    for _ in range(RUNS):
        account.releases.clear()
        found, _ = account.labels("labels", ["icd10"], {"E11": 300, "her own": 1}, account.rho / 2, 0.01)
        shown += "her own" in found
        assert abs(found["E11"] - 300) < 100
    assert beta.ppf((1 - CONFIDENCE) / 2, shown, RUNS - shown + 1) <= 0.01 if shown else True


def test_choices_keep_their_epsilon():
    def chosen(scores: list[float], scale: float) -> np.ndarray:
        account = Account(1.0, DELTA)
        found = np.empty(RUNS)
        for k in range(RUNS):
            account.releases.clear()
            found[k] = account.choice("pair", [], np.array(scores), account.rho, scale)
        return found

    assert least_epsilon(chosen([10.0, 11.0], 1.0), chosen([11.0, 10.0], 1.0)) <= 2.0  # both scores move
    assert least_epsilon(chosen([10.0, 11.0], 0.02), chosen([11.0, 10.0], 0.02)) > 2.0


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    rows = draw(st.integers(2, 30))
    cell = st.integers(0, 3)
    return np.array([[draw(cell) for _ in range(rows)] for _ in range(4)], np.int32)


def margins_of(n: int) -> list[Margin]:
    line = np.arange(4, dtype=float)
    number = Margin(Column("a", "BIGINT", NUMBER, unit=1.0), line, line, n=np.array([5, 1, 1, 1]) * n)
    label = Margin(Column("b", "VARCHAR", CATEGORY), labels=("p", "q", "r", "s"), n=np.array([1, 4, 2, 1]) * n)
    apart = Margin(
        Column("c", "BIGINT", NUMBER, unit=1.0), line[:3], line[:3], has_missing=True, n=np.array([3, 2, 1, 2]) * n
    )
    return [number, label, apart, label]


class Spy(Account):
    """An account that keeps what it was given, and adds no noise."""

    def __init__(self) -> None:
        super().__init__(1.0, DELTA)
        self.given: list[tuple[np.ndarray, float]] = []

    def sums(self, name, columns, counts, rho, sensitivity=1.0):  # type: ignore[no-untyped-def]
        self.given.append((np.array(counts, float), sensitivity))
        self._enter(Release(name, tuple(columns), counts.size, sensitivity, 1e6, rho))
        return np.asarray(counts)

    def choice(self, name, columns, scores, rho, sensitivity=1.0):  # type: ignore[no-untyped-def]
        self.given.append((np.array(scores, float), sensitivity))
        self._enter(Release(name, tuple(columns), len(scores), sensitivity, 1e6, rho))
        return 1


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_one_person_moves_no_score_by_more_than_declared(cells, data):
    """The margins are released before, so both neighbours have the same; the orders of labels too, where equal."""
    left_out = data.draw(st.integers(0, cells.shape[1] - 1))
    fewer = np.ascontiguousarray(np.delete(cells, left_out, axis=1))
    latents = latents_of(margins_of(10), 80, [])
    told = of_scores._scored(latents)
    found = []
    for table in (cells, fewer):
        products = np.zeros((len(latents), len(latents)), np.int64)
        of_scores._add_products(table, told.columns, told.offsets, told.scores, float(told.radius), products)
        spy = Spy()
        of_scores._orders(table, latents, [1], 0.01, spy, ["a", "b", "c", "d"])
        found.append((products[np.tril_indices(len(latents), -1)].astype(float), spy.given[0][0]))
    bound = told.radius**2 * math.sqrt(0.5 * (1.0 - 1.0 / len(latents)))
    assert np.linalg.norm(found[0][0] - found[1][0]) <= bound
    assert np.linalg.norm(found[0][1] - found[1][1]) <= spy.given[0][1]


@settings(max_examples=40, deadline=None)
@given(tables(), st.data())
def test_one_person_moves_nothing_told_of_strata_by_more_than_declared(cells, data):
    """The choice of the column, its tables with all others, and the products of scores in all strata."""
    left_out = data.draw(st.integers(0, cells.shape[1] - 1))
    margins, width = margins_of(10), len(cells)
    imagined = np.random.default_rng(1).integers(0, 4, (width, 200))
    orders = {k: np.arange(4) for k in of_scores._free(latents_of(margins, 80, []), margins)}
    found = []
    for table in (cells, np.ascontiguousarray(np.delete(cells, left_out, axis=1))):
        pairs, spy = Pairs.counted(table, margins, 80), Spy()
        plain = pairs.population(imagined)
        strata = [pairs.join(k, 2) for k in range(width)]
        joins = [of_strata._beside(pairs, k, strata[k], 8) for k in range(width)]
        column = of_strata._stratifier(pairs, joins, plain, 1.0, 0.001, spy)
        of_strata._tables(pairs, column, joins[column], plain, 0.001, spy)
        stratum = strata[column][pairs.maps[column]][table[column]]
        of_strata._copulas(table, stratum, [margins_of(5), margins_of(5)], orders, 0.001, spy)
        found.append(spy.given)
    assert len(found[0]) == 3
    for k, ((of_all, bound), (of_fewer, _)) in enumerate(zip(*found, strict=True)):
        moved = np.abs(of_all - of_fewer)
        assert (moved.max() if k == 0 else np.linalg.norm(moved)) <= bound + 1e-9


@settings(max_examples=40, deadline=None)
@given(tables(), st.data())
def test_one_person_moves_nothing_told_of_the_worst_pairs_by_more_than_declared(cells, data):
    """The choices of pairs, which fall on the same for both neighbours here, and the tables of those chosen."""
    left_out = data.draw(st.integers(0, cells.shape[1] - 1))
    imagined = np.random.default_rng(1).integers(0, 4, (len(cells), 200))
    found = []
    for table in (cells, np.ascontiguousarray(np.delete(cells, left_out, axis=1))):
        pairs, spy = Pairs.counted(table, margins_of(10), 80), Spy()
        links = of_links.worst_told(pairs.population(imagined), pairs, 3, 0.001, spy)
        assert len({(of.i, of.j) for of in links}) == 3
        found.append(spy.given)
    assert len(found[0]) == 4
    for k, ((of_all, bound), (of_fewer, _)) in enumerate(zip(*found, strict=True)):
        moved = np.abs(of_all - of_fewer)
        assert (moved.max() if k < 3 else np.linalg.norm(moved)) <= bound + 1e-9


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(1, 6), st.data())
def test_one_person_moves_no_products_of_waves_by_more_than_declared(cells, cosines, data):
    """Of all pairs together; the waves follow from margins, which both neighbours have."""
    left_out = data.draw(st.integers(0, cells.shape[1] - 1))
    found = []
    for table in (cells, np.ascontiguousarray(np.delete(cells, left_out, axis=1))):
        pairs, spy = Pairs.counted(table, margins_of(10), 80), Spy()
        waves = of_waves._waves(pairs, cosines)
        population = pairs.population(np.random.default_rng(1).integers(0, 4, (4, 200)))
        of_waves._tables(population, pairs, waves, 0.001, spy)
        found.append(spy.given[0])
    (of_all, bound), (of_fewer, same) = found
    moved = float(np.linalg.norm(of_all - of_fewer))
    assert bound == same
    assert 0.0 < moved <= bound


def test_the_bound_of_waves_is_no_larger_than_it_must():
    """A row of the bins whose waves are longest moves products of waves by just as much as is declared."""
    margins = margins_of(10)
    of_one = np.array([[0], [0], [0], [0]], np.int32)
    waves = of_waves._waves(Pairs.counted(of_one, margins, 80), 3)
    longest = np.array([[int((of.told**2).sum(axis=1).argmax())] for of in waves])
    cells = np.array(
        [[int(np.flatnonzero(Pairs.counted(of_one, margins, 80).maps[k] == b[0])[0])] for k, b in enumerate(longest)],
        np.int32,
    )
    told = of_waves.products(Pairs.counted(cells, margins, 80), waves)
    moved = math.sqrt(sum(int((of**2).sum()) for of in told))
    assert moved == pytest.approx(of_waves.bound(waves), rel=1e-12)


def test_scores_are_clipped_where_they_must():
    """Rows of rare cells only have long score vectors: without clipping they would exceed what is declared."""
    latents = latents_of(margins_of(10), 80, [])
    told = of_scores._scored(latents)
    rare = np.array([[3], [0], [3], [0]], np.int32)
    products = np.zeros((len(latents), len(latents)), np.int64)
    of_scores._add_products(rare, told.columns, told.offsets, told.scores, 1e9, products)
    free = np.linalg.norm(products[np.tril_indices(len(latents), -1)])
    products[:] = 0
    of_scores._add_products(rare, told.columns, told.offsets, told.scores, float(told.radius), products)
    assert np.linalg.norm(products[np.tril_indices(len(latents), -1)]) < free


def test_what_is_spent_is_what_was_asked():
    assert epsilon_of(rho_of(1.0, 5e-7), 5e-7) == pytest.approx(1.0, abs=1e-6)
    assert epsilon_of(rho_of(1.0, 5e-7), 5e-7) <= 1.0
