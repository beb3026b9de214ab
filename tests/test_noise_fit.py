"""A fit under noise, from SQL: what it says of itself, what it hides, and what it keeps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("opendp")

import omopsql
from omopsql.noise.grid import cells_of, found, places_of
from omopsql.noise.links import _offers
from omopsql.noise.margins import _clear, fitted, shared_out, whole
from omopsql.noise.mechanism import Account
from omopsql.noise.pairs import Pairs
from omopsql.noise.population import Population, Wanted
from omopsql.noise.survey import Told, _in_wide_cells
from omopsql.noise.waves import waves_of
from omopsql.synth.bins import bins_of
from omopsql.synth.columns import NUMBER, Column
from omopsql.synth.margins import Margin
from omopsql.synth.model import LEDGER


@pytest.fixture(scope="module")
def con():
    con = omopsql.connect()
    con.execute("CREATE TABLE patients AS FROM omopsql.example_patients(3000)")
    con.execute("CREATE TABLE m AS FROM omopsql.copula_fit('patients', epsilon := 3.0)")
    con.execute("CREATE TABLE plain AS FROM omopsql.copula_fit('patients')")
    return con


def test_the_ledger_adds_up_to_epsilon_and_no_more(con):
    total = con.execute(
        "SELECT max(epsilon_so_far), max(rho_so_far), sum(rho) FROM omopsql.privacy_ledger('m')"
    ).fetchall()
    epsilon, so_far, rho = total[0]
    assert 2.99 < epsilon <= 3.0
    assert so_far == pytest.approx(rho)


def test_every_release_has_noise(con):
    least = con.execute("SELECT min(scale), min(sensitivity), min(rho) FROM omopsql.privacy_ledger('m')").fetchall()[0]
    assert all(value > 0 for value in least)


def test_a_model_without_noise_says_so(con):
    assert con.execute("SELECT release, epsilon_so_far FROM omopsql.privacy_ledger('plain')").fetchall() == [
        ("everything: no noise was added", None)
    ]
    words = {
        model: con.execute(
            f"SELECT description FROM omopsql.copula_describe('{model}') WHERE statistic = 'model'"
        ).fetchall()[0][0]
        for model in ("m", "plain")
    }
    assert "no noise was added" in words["plain"]
    assert "epsilon 3 at delta 1e-06" in words["m"]
    assert "no noise" not in words["m"]


def test_a_model_without_noise_has_no_row_of_a_ledger(con):
    assert con.execute(f"SELECT count(*) FROM plain WHERE statistic = '{LEDGER}'").fetchall() == [(0,)]
    assert con.execute("SELECT count(*) FROM plain WHERE value LIKE '%noise%'").fetchall() == [(0,)]


def test_the_number_of_rows_is_not_told(con):
    """In ten fits some of the noisy numbers of rows differ from the real one."""
    told = {
        con.execute(
            "SELECT n FROM omopsql.copula_fit('patients', epsilon := 0.5, method := 'independent') "
            "WHERE statistic = 'model'"
        ).fetchall()[0][0]
        for _ in range(4)
    }
    assert len(told | {3000}) > 2


def test_rows_have_the_columns_and_types_of_the_source(con):
    made = con.sql("FROM omopsql.copula_sample('m', 100, seed := 1)")
    source = con.sql("FROM patients")
    assert (made.columns, made.types) == (source.columns, source.types)


def test_what_cannot_be_learned_comes_back_empty(con):
    """A table without a column to learn, and keys that are taken for numbers in a text, as noise may do."""
    con.execute("CREATE TABLE nested AS SELECT MAP {'k': i} AS only FROM range(40) AS r (i)")
    con.execute("CREATE TABLE keys AS SELECT uuid() AS patient_id, i % 3 AS ward FROM range(40) AS r (i)")
    assert con.execute("FROM omopsql.synthesize('nested', 3, epsilon := 2.0)").fetchall() == [(None,)] * 3
    asked = "columns := {'patient_id': 'number'}, epsilon := 2.0"
    made = con.sql(f"FROM omopsql.synthesize('keys', 20, {asked})")
    assert made.types == con.sql("FROM keys").types
    assert {key for key, _ in made.fetchall()} == {None}


def test_a_strong_link_survives():
    con = omopsql.connect()
    con.execute(
        "CREATE TABLE t AS SELECT i % 5 AS a, CASE i % 5 WHEN 0 THEN 'p' WHEN 1 THEN 'q' ELSE 'r' END AS b "
        "FROM range(20000) t(i)"
    )
    con.execute("CREATE TABLE m AS FROM omopsql.copula_fit('t', epsilon := 3.0)")
    agree = con.execute(
        "SELECT avg((CASE a WHEN 0 THEN 'p' WHEN 1 THEN 'q' ELSE 'r' END = b)::INTEGER) "
        "FROM omopsql.copula_sample('m', 5000, seed := 1)"
    ).fetchall()[0][0]
    assert agree > 0.85


def test_a_line_without_rows_in_a_stratum_is_one_bin():
    margin = Margin(
        Column("x", "BIGINT", NUMBER, unit=1.0),
        np.arange(60.0),
        np.arange(60.0) + 1.0,
        has_missing=True,
        n=np.append(np.zeros(60, np.int64), 100),
    )
    assert set(bins_of(margin, 20)[:60]) == {0}


def test_a_rare_label_never_leaves():
    con = omopsql.connect()
    con.execute("CREATE TABLE t AS SELECT 'common' AS b, i % 3 AS a FROM range(2000) t(i)")
    con.execute("INSERT INTO t VALUES ('her own diagnosis', 1), ('his own diagnosis', 2)")
    for _ in range(5):
        con.execute("CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('t', epsilon := 1.0)")
        assert con.execute("SELECT count(*) FROM m WHERE value LIKE '%own diagnosis%'").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("epsilon := 0.0", "epsilon is 0"),
        ("epsilon := 1.0, delta := 0.5", "delta is 0.5"),
        ("epsilon := 1.0, person := 'nobody'", "no column 'nobody'"),
        ("person := 'sex'", "only with epsilon"),
        ("epsilon := 1.0, rows_per_person := 0", "rows_per_person is 0"),
    ],
)
def test_errors_say_what_is_wrong(con, arguments, message):
    with pytest.raises(Exception, match=message):
        con.execute(f"FROM omopsql.copula_fit('patients', {arguments})")


def test_guessed_types_are_refused(con, tmp_path):
    path = tmp_path / "patients.csv"
    con.execute(f"COPY patients TO '{path}'")
    with pytest.raises(Exception, match="guessed from its rows"):
        con.execute(f"FROM omopsql.copula_fit('{path}', epsilon := 1.0)")


def test_places_cover_the_line():
    for base in ("DOUBLE", "DATE", "TIMESTAMP", "BOOLEAN", "TIME"):
        assert (np.diff(places_of(base).edges) > 0).all()


def test_cells_lie_between_multiples_of_the_unit():
    places = places_of("BIGINT")
    counts = np.zeros(len(places))
    ages = np.arange(18, 91)
    np.add.at(counts, np.searchsorted(places.edges, ages, "right") - 1, 100.0)
    edges = cells_of(places, counts, 1.0, 1.0, 512)
    assert edges[0] <= 17.5
    assert edges[-1] >= 90.5
    assert np.allclose(edges % 1.0, 0.5)
    assert found(places, counts, 1.0)[0] <= np.searchsorted(places.edges, 18, "right") - 1


def test_small_numbers_beside_those_that_clearly_hold_rows_have_cells():
    """Ages 0 to 7 are too few to be clear of the noise; zero may lie far from all others."""
    places, counts = places_of("BIGINT"), np.zeros(len(places_of("BIGINT")))
    counts[np.searchsorted(places.edges, 9, "right") - 1] = 1000.0
    assert cells_of(places, counts, 50.0, 1.0, 64)[0] == -0.5
    far = np.zeros(len(places))
    far[np.searchsorted(places.edges, 100, "right") - 1] = 1000.0
    assert cells_of(places, far, 50.0, 1.0, 64)[0] == 63.5
    far[np.searchsorted(places.edges, 0, "right") - 1] = 150.0
    assert cells_of(places, far, 50.0, 1.0, 64)[0] == -0.5


def test_a_code_for_missing_values_beside_numbers_is_told():
    con = omopsql.connect()
    con.execute(
        "CREATE TABLE t AS SELECT CASE WHEN i % 4 = 0 THEN 'N' ELSE (i % 9)::VARCHAR END AS a FROM range(4000) t(i)"
    )
    con.execute("CREATE TABLE m AS FROM omopsql.copula_fit('t', epsilon := 3.0)")
    made = "omopsql.copula_sample('m', 4000, seed := 1)"
    share = con.execute(f"SELECT avg((a = 'N')::INTEGER) FROM {made}").fetchall()[0][0]
    assert share == pytest.approx(0.25, abs=0.05)
    releases = {row[0] for row in con.execute("SELECT release FROM omopsql.privacy_ledger('m')").fetchall()}
    assert "labels" not in releases


def test_columns_of_more_cells_may_cost_more():
    told = [Told(Margin(Column("x", "BIGINT", NUMBER), n=np.ones(n, np.int64)), 0.01) for n in (8, 27)]
    few, many = shared_out(told, 100_000, Account(1.0, 1e-6))
    assert few.rho + many.rho == pytest.approx(0.02)
    assert many.rho / few.rho == pytest.approx(9.0 / 4.0)


def test_fitted_counts_are_whole_and_add_up():
    noisy = np.array([105.0, -8.0, 40.0, 3.0])
    n = whole(fitted(noisy, np.full(4, 5.0), 140), 140)
    assert n.sum() == 140
    assert n.min() >= 0
    assert n[0] > n[2] > n[1]


def test_imagined_rows_come_to_agree_with_tables_of_all_pairs():
    """Three columns that are not linked at first, and are to be the same value nine times in ten."""
    codes = np.random.default_rng(1).integers(0, 4, (3, 20_000)).astype(np.uint8)
    population = Population(codes.astype(np.int32), codes.copy())
    sizes = np.full(3, 4)
    wanted = 0.25 * (0.9 * np.eye(4) + 0.1 * np.full((4, 4), 0.25))
    population.agree([Wanted(i, j, wanted) for i, j in ((0, 1), (0, 2), (1, 2))], sizes)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert 0.5 * np.abs(population.table(i, j, sizes) - wanted).sum() < 0.01
    assert (population.cells == population.codes).all()


def test_a_table_of_more_weight_is_agreed_with_sooner():
    """Two columns cannot both be the third and be unlinked: the table that counts for more is nearer in the end."""
    sizes, even = np.full(3, 4), np.full((4, 4), 1 / 16)
    same = 0.25 * np.eye(4) + 1e-9
    apart = []
    for weight in (0.1, 1.0):
        codes = np.random.default_rng(1).integers(0, 4, (3, 20_000)).astype(np.uint8)
        population = Population(codes.astype(np.int32), codes.copy())
        population.agree([Wanted(0, 1, same), Wanted(0, 2, same), Wanted(1, 2, even, weight)], sizes)
        apart.append(np.abs(population.table(0, 1, sizes) - same).sum())
    assert apart[0] < 0.5 * apart[1]


def test_pairs_are_offered_in_finer_bins_the_less_noise_there_is():
    """One column is the other: a table of all bins tells most, but one of few has less noise."""
    line = np.arange(24, dtype=float)
    margin = Margin(Column("a", "BIGINT", NUMBER, unit=1.0), line, line, n=np.full(24, 1000))
    own = np.repeat(np.arange(24), 1000).astype(np.int32)
    pairs = Pairs.counted(np.array([own, own]), [margin, margin], 24_000)
    unlinked = pairs.population(np.random.default_rng(1).integers(0, 24, (2, 20_000)))
    best = [max(_offers(unlinked, pairs, 0, scale), key=lambda of: of.missed).joins for scale in (1.0, 400.0)]
    bins = [int(of.down.max()) + 1 for of in best]
    assert bins[0] == 24
    assert bins[1] < 10


def test_counts_that_noise_may_have_made_hold_nothing():
    n = _clear(np.array([400.0, 90.0, 3.0, -20.0]), np.full(4, 10.0), 600)
    assert n == pytest.approx([455.0, 145.0, 0.0, 0.0], abs=1e-6)
    assert _clear(np.array([3.0, 1.0]), np.full(2, 10.0), 40).sum() == pytest.approx(40.0)


def test_rows_of_places_whose_cells_are_single_values_are_not_in_wide_cells():
    """1 and 2 are cells of their own; 4 to 7 are not, and begin at 3.5, half a step before their place."""
    places = places_of("BIGINT")
    held = np.zeros(len(places))
    held[np.searchsorted(places.edges, [1.0, 2.0], "right") - 1] = 1000.0
    assert _in_wide_cells(places, held, np.array([0.5, 1.5, 2.5, 3.5, 7.5]), 1.0) == 0.0
    held[np.searchsorted(places.edges, 5.0, "right") - 1] = 70.0
    assert _in_wide_cells(places, held, np.array([0.5, 1.5, 2.5, 3.5, 7.5]), 1.0) == 70.0


def test_few_rows_are_told_by_pairs_and_many_by_waves(con):
    """The ledger says which way a fit went."""
    con.execute("CREATE TABLE few AS FROM omopsql.copula_fit('patients', epsilon := 1.0)")
    con.execute("CREATE TABLE all_waves AS FROM omopsql.copula_fit('patients', epsilon := 20.0)")
    few, many = (
        {row[0] for row in con.execute(f"SELECT release FROM omopsql.privacy_ledger('{model}')").fetchall()}
        for model in ("few", "all_waves")
    )
    assert {"products of scores", "pair told worst", "tables of pairs"} <= few
    assert not {"strata", "products of waves"} & few
    assert {"strata", "products of waves"} <= many


def test_waves_are_unlinked_and_no_bin_of_a_rare_label_is_longer():
    held = np.array([300.0, 250.0, 350.0, 80.0, 5.0])
    waves = waves_of(held, 3, 2)
    assert waves.told.shape == (5, 4)
    assert np.allclose((waves.even.T * waves.shares) @ waves.even, np.eye(4), atol=1e-6)
    assert (waves.told**2).sum(axis=1).max() <= 4 * 256**2 * 1.01


def test_a_column_of_one_bin_has_no_waves():
    assert waves_of(np.array([40.0]), 0, 3).told.shape == (1, 0)


def test_links_of_all_pairs_survive():
    """A circle: a copula tells nothing of it, and no column stratifies the others well."""
    con = omopsql.connect()
    con.execute(
        "CREATE TABLE t AS SELECT cos(i * 0.618) AS x, sin(i * 0.618) AS y, "
        "CASE WHEN i % 10 < 3 THEN 'p' ELSE 'q' END AS b FROM range(20000) t(i)"
    )
    con.execute("CREATE TABLE m AS FROM omopsql.copula_fit('t', epsilon := 3.0)")
    near = con.execute(
        "SELECT avg((abs(x * x + y * y - 1) < 0.5)::INTEGER) FROM omopsql.copula_sample('m', 5000, seed := 1)"
    ).fetchall()[0][0]
    assert near > 0.75
