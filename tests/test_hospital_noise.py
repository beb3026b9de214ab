"""A hospital learned with noise: what one person adds is bounded, the budget is kept, and persons can be made of it."""

from __future__ import annotations

import duckdb
import hospital_cdm as made
import numpy as np
import pyarrow as pa
import pytest

from omopsql import OmopsqlError
from omopsql.noise.mechanism import Account, epsilon_of
from omopsql.synth.hospital.fit import RULES, first_round, fit, plan_of, released, second_round
from omopsql.synth.hospital.generate import Hospital
from omopsql.synth.hospital.merge import merged
from omopsql.synth.hospital.noise.contributions import contributions
from omopsql.synth.hospital.noise.fit import Protection, fit_round_with_noise, fit_with_noise
from omopsql.synth.hospital.noise.grids import GRIDS
from omopsql.synth.hospital.noise.release import LEDGER, binned, noised, releases
from omopsql.synth.hospital.reading import Site
from omopsql.synth.hospital.sums import Header, Sums

pytest.importorskip("opendp")

CONCEPTS = 6  # of a person are counted, fewer than most have


@pytest.fixture
def hospital(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    made.make_hospital(con, persons=200)
    return con


def _without(con: duckdb.DuckDBPyConnection, person: int) -> None:
    """Take a person out of every table."""
    tables = con.execute(
        "SELECT table_name FROM duckdb_columns() WHERE schema_name = 'cdm' AND column_name = 'person_id'"
    ).fetchall()
    for (table,) in tables:
        con.execute(f"DELETE FROM cdm.{table} WHERE person_id = {person}")


def _counted(con: duckdb.DuckDBPyConnection, plan_from: Sums | None = None) -> tuple[Sums, Sums]:
    """Both rounds of sums, the second by a plan of given margins: noise would make it the same for neighbours."""
    site = Site(con.cursor(), "cdm", 1, most_concepts=CONCEPTS)
    margins = first_round(site)
    plan = plan_of(released(plan_from or margins, 5), 5)
    return margins, second_round(site, plan)


def _cells(sums: Sums, statistic: str) -> dict[tuple[object, ...], int]:
    if statistic not in sums:
        return {}
    counted = binned(sums.counted(statistic), contributions()[statistic])
    labels = [None] * len(counted) if counted.labels is None else counted.labels.to_pylist()
    keys = zip(map(tuple, counted.keys.tolist()), labels, strict=True)
    return dict(zip(keys, counted.n.tolist(), strict=True))


@pytest.mark.parametrize("person", [1, 7, 50])
def test_a_person_changes_no_more_rows_than_is_declared(hospital: duckdb.DuckDBPyConnection, person: int) -> None:
    margins, sums = _counted(hospital)
    _without(hospital, person)
    margins_without, sums_without = _counted(hospital, margins)
    touched = 0
    for statistic, own in contributions().items():
        with_person = _cells(margins, statistic) | _cells(sums, statistic)
        without = _cells(margins_without, statistic) | _cells(sums_without, statistic)
        changes = [with_person.get(cell, 0) - without.get(cell, 0) for cell in {*with_person, *without}]
        assert set(changes) <= {0, 1}, statistic
        assert sum(changes) <= own.rows(CONCEPTS), statistic
        touched += sum(changes)
    assert touched > 100  # he was in the sums


def test_every_statistic_that_is_released_with_noise_counts_persons() -> None:
    assert all(RULES[statistic].counts_persons for statistic in contributions())
    pooled = {statistic for statistic, own in contributions().items() if own.grid}
    assert pooled == {statistic for statistic in contributions() if RULES[statistic].kind == "pool"}


@pytest.mark.parametrize("grid", sorted(GRIDS))
def test_public_bins_hold_their_numbers_and_do_not_overlap(grid: str) -> None:
    numbers = np.arange(-3000, 50_000)
    low, high = GRIDS[grid](numbers)
    assert (low <= numbers).all()
    assert (numbers <= high).all()
    bins = np.unique(np.column_stack([low, high]), axis=0)
    assert (bins[1:, 0] > bins[:-1, 1]).all()


def _of_every_statistic() -> Sums:
    """A row of every statistic, of as many persons as may be."""
    sums = Sums()
    for statistic in contributions():
        sums.put(statistic, np.zeros((1, 3)), [10_000_000])
    return sums


@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 1e-6), (3.0, 1e-6), (10.0, 1e-9)])
def test_all_releases_together_keep_the_budget(epsilon: float, delta: float) -> None:
    account = Account(epsilon, delta)
    noised(_of_every_statistic(), account, 48)
    assert {one.name for one in account.releases} == set(contributions())
    spent = sum(one.rho for one in account.releases)
    assert epsilon_of(spent, delta / 2) <= epsilon * (1 + 1e-6)
    assert sum(one.delta for one in account.releases) <= delta / 2 * (1 + 1e-9)
    for one in account.releases:  # the noise hides what a person adds
        assert contributions()[one.name].rows(48) / (2 * one.scale**2) <= one.rho * (1 + 1e-9)


def test_noise_is_as_large_as_the_ledger_says() -> None:
    exact, account = Sums(), Account(2.0, 1e-6)
    exact.put("items", np.column_stack([np.zeros(4000), np.arange(1, 4001)]), np.full(4000, 100_000))
    noisy = noised(exact, account, 48)
    off = noisy.counted("items").n - 100_000
    assert off.std() == pytest.approx(account.releases[0].scale, rel=0.1)
    assert abs(off.mean()) < account.releases[0].scale / 10


def test_a_row_of_one_person_is_never_seen() -> None:
    exact = Sums()
    exact.put("items", np.column_stack([np.zeros(20_000), np.arange(1, 20_001)]), np.ones(20_000))
    assert not len(noised(exact, Account(2.0, 1e-6), 48).get("items", 2)[1])


def test_what_has_no_bound_is_not_released(hospital: duckdb.DuckDBPyConnection) -> None:
    table, _ = fit_with_noise(hospital.cursor(), "cdm", Protection(200.0, 1e-6, 12))
    facts = {"hospital", LEDGER, "attributes.tables"}
    assert set(table["statistic"].to_pylist()) - facts <= set(contributions())


def test_a_hospital_learned_with_noise_makes_persons(hospital: duckdb.DuckDBPyConnection) -> None:
    table, _ = fit_with_noise(hospital.cursor(), "cdm", Protection(200.0, 1e-6, 12))
    sums = Sums.from_table(table, "m")
    header = Header.of(sums, "m")
    assert (header.epsilon, header.delta) == (200.0, 1e-6)
    assert abs(header.persons - 200) < 60
    assert {one.name for one in releases(sums)} >= {"items", "people.sex", "events.presence"}
    lives = Hospital(table).lives(1, np.arange(1, 101))
    assert len(lives.people) == 100
    assert lives.events is not None
    assert len(lives.events) > 100


def _keep(con: duckdb.DuckDBPyConnection, name: str, model: pa.Table) -> None:
    con.register("arrow_of_model", model)
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM arrow_of_model")
    con.unregister("arrow_of_model")


def _merged(con: duckdb.DuckDBPyConnection, for_merge: bool = False, **models: pa.Table) -> pa.Table:
    for name, table in models.items():
        _keep(con, name, table)
    return merged(con.cursor(), list(models), for_merge)


def _round(con: duckdb.DuckDBPyConnection, asked: Protection, margins: pa.Table | None = None) -> pa.Table:
    of_all = None if margins is None else Sums.from_table(margins, "margins")
    return fit_round_with_noise(con.cursor(), "cdm", asked, margins=of_all)[0]


NOISE = Protection(50.0, 1e-6, 12)


def test_sites_add_up_their_noisy_rounds_and_each_person_pays_once(hospital: duckdb.DuckDBPyConnection) -> None:
    firsts = [_round(hospital, NOISE) for _ in range(2)]
    margins = _merged(hospital, north=firsts[0], south=firsts[1], for_merge=True)
    assert margins == _merged(hospital, south=firsts[1], north=firsts[0], for_merge=True)
    seconds = [_round(hospital, NOISE, margins) for _ in range(2)]
    model = _merged(hospital, margins=margins, north=seconds[0], south=seconds[1])
    assert model == _merged(hospital, south=seconds[1], margins=margins, north=seconds[0])
    assert model == _merged(  # a sum that is added up elsewhere, as under masks
        hospital, margins=margins, added=_merged(hospital, for_merge=True, north=seconds[0], south=seconds[1])
    )
    sums = Sums.from_table(model, "model")
    header = Header.of(sums, "model")
    parts = [Header.of(Sums.from_table(part, "part"), "part").persons for part in firsts]
    assert header.persons == sum(parts) == sums.get("people.sex", 1)[1].sum()
    assert (header.epsilon, header.most_concepts, header.private, header.round) == (50.0, 12, False, 2)
    told = releases(sums)
    alone = fit_with_noise(hospital.cursor(), "cdm", NOISE)[0]
    assert {one.name for one in told} <= set(contributions())
    assert len({one.name for one in told}) == len(told)
    assert {one.name for one in told} >= {one.name for one in releases(Sums.from_table(alone, "alone"))}
    _keep(hospital, "model", model)
    spent = "SELECT max(epsilon_so_far), sum(n) FROM omopsql.privacy_ledger('model')"
    (paid, values), *_ = hospital.execute(spent).fetchall()
    assert 40.0 < paid <= 50.0 * (1 + 1e-6)
    assert values == sum(one.values for one in told)
    assert len(Hospital(model).lives(1, np.arange(1, 51)).people) == 50


def test_the_sum_of_two_sites_counts_the_persons_of_both(hospital: duckdb.DuckDBPyConnection) -> None:
    asked = Protection(1000.0, 1e-6, 12)
    margins = _merged(hospital, for_merge=True, north=_round(hospital, asked), south=_round(hospital, asked))
    both = _merged(
        hospital, margins=margins, north=_round(hospital, asked, margins), south=_round(hospital, asked, margins)
    )
    one = fit_with_noise(hospital.cursor(), "cdm", asked)[0]
    for statistic, width in (("people.sex", 1), ("items", 2), ("events.presence", 1)):
        own, double = (Sums.from_table(of, "model").get(statistic, width)[1].sum() for of in (one, both))
        assert double == pytest.approx(2 * own, rel=0.1)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Protection(30.0, 1e-6, 12), "epsilon 30.0, not 50.0|epsilon 50.0, south with 30.0"),
        (Protection(50.0, 1e-7, 12), "delta 1e-07, not 1e-06|delta 1e-06, south with 1e-07"),
        (Protection(50.0, 1e-6, 11), "most_concepts 11, not 12|most_concepts 12, south with 11"),
    ],
)
def test_sites_with_other_noise_are_not_added(
    hospital: duckdb.DuckDBPyConnection, other: Protection, told: str
) -> None:
    north, south = _round(hospital, NOISE), _round(hospital, other)
    with pytest.raises(OmopsqlError, match=told):
        _merged(hospital, for_merge=True, north=north, south=south)
    with pytest.raises(OmopsqlError, match=told):
        _round(hospital, NOISE, south)


def test_rounds_that_do_not_belong_together_are_not_added(hospital: duckdb.DuckDBPyConnection) -> None:
    first = _round(hospital, NOISE)
    again = _round(hospital, NOISE)
    second = _round(hospital, NOISE, first)
    with pytest.raises(OmopsqlError, match="counted by merged margins that are not among the files"):
        _merged(hospital, second=second)
    with pytest.raises(OmopsqlError, match="counted by merged margins that are not among the files"):
        _merged(hospital, second=second, other_margins=again)
    with pytest.raises(OmopsqlError, match="first holds margins"):
        _merged(hospital, first=first)
    with pytest.raises(OmopsqlError, match="the model holds noisy sums of one round"):
        Hospital(second)
    with pytest.raises(OmopsqlError, match="margins are no noisy sums of a first round"):
        _round(hospital, NOISE, fit(hospital.cursor(), "cdm", 5, for_merge=True, margins_only=True)[0])


def test_noise_and_exact_sums_are_not_added(hospital: duckdb.DuckDBPyConnection) -> None:
    noisy = fit_with_noise(hospital.cursor(), "cdm", NOISE)[0]
    for exact in (False, True):
        other = fit(hospital.cursor(), "cdm", 5, for_merge=exact)[0]
        with pytest.raises(OmopsqlError, match=r"other has no noise|noisy is a whole model with noise"):
            _merged(hospital, noisy=noisy, other=other)
    with pytest.raises(OmopsqlError, match="noisy is a whole model with noise, which cannot be added"):
        _merged(hospital, noisy=noisy)


@pytest.mark.parametrize(
    "options",
    [
        "margins_only := true",
        "margins := 'm'",
        "for_merge := true",
        "for_merge := true, margins_only := true, margins := 'm'",
    ],
)
def test_noise_at_several_sites_takes_two_rounds(hospital: duckdb.DuckDBPyConnection, options: str) -> None:
    with pytest.raises(duckdb.Error, match="take two rounds"):
        hospital.execute(f"FROM omopsql.cdm_fit('cdm', epsilon := 50.0, {options})").fetchall()
