"""Noise at each of several sites: their models are merged as they are, and the budget is the largest of theirs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from commands import done, refused

pytest.importorskip("opendp")

import omopsql
from omopsql.noise.common import common
from omopsql.synth.columns import CATEGORY, NUMBER, NUMBER_TEXT, Column
from omopsql.synth.margins import Margin

SITES = ("north", "south", "east")


@pytest.fixture(scope="module")
def con():
    """Three sites of 900, 600 and 300 patients; east has no column smoking, and protects less."""
    con = omopsql.connect()
    con.execute("CREATE TABLE every AS FROM omopsql.example_patients(1800)")
    for site, first, last in (("north", 1, 900), ("south", 901, 1500), ("east", 1501, 1800)):
        con.execute(f"CREATE TABLE {site} AS FROM every WHERE patient_id BETWEEN {first} AND {last}")
    con.execute("ALTER TABLE east DROP COLUMN smoking")
    for site, epsilon in (("north", 20.0), ("south", 10.0), ("east", 40.0)):
        _fit(con, site, f"epsilon := {epsilon}")
    con.execute("CREATE TABLE m AS FROM omopsql.merge(['of_north', 'of_south', 'of_east'])")
    return con


def _fit(con, source, *arguments, model=None):
    model = model or f"of_{source}"
    asked = ", ".join([f"'{source}'", *arguments])
    con.execute(f"CREATE OR REPLACE TABLE {model} AS FROM omopsql.copula_fit({asked})")


def _one(con, sql):
    return con.execute(sql).fetchall()[0][0]


def _noise(con, model):
    return json.loads(_one(con, f"SELECT value FROM {model} WHERE statistic = 'model'"))["noise"]


# --- what it costs


def test_the_merged_epsilon_is_the_largest_not_the_sum(con):
    noise = _noise(con, "m")
    assert (noise["epsilon"], noise["delta"], noise["rows_per_person"]) == (40.0, 1e-6, 1)
    assert _one(con, "SELECT max(epsilon_so_far) FROM omopsql.privacy_ledger('m')") == pytest.approx(40.0, rel=1e-3)


def test_the_ledger_counts_each_site_for_itself(con):
    of = {
        epsilon: con.execute(
            f"SELECT count(*), sum(rho), max(epsilon_so_far) FROM omopsql.privacy_ledger('of_{site}')"
        ).fetchall()[0]
        for site, epsilon in (("north", 20.0), ("south", 10.0), ("east", 40.0))
    }
    told = con.execute(
        "SELECT site, count(*), sum(rho), max(epsilon_so_far), max(rho_so_far) FROM omopsql.privacy_ledger('m') "
        "GROUP BY site ORDER BY site"
    ).fetchall()
    assert [site for site, *_ in told] == [1, 2, 3]
    for (_, releases, rho, epsilon, so_far), site in zip(told, _noise(con, "m")["sites"], strict=True):
        assert (releases, rho, epsilon) == pytest.approx(of[site["epsilon"]])
        assert so_far == pytest.approx(rho)


def test_a_model_of_one_site_has_no_number_in_its_ledger(con):
    assert con.execute("SELECT DISTINCT site FROM omopsql.privacy_ledger('of_north')").fetchall() == [(None,)]


def test_merging_in_two_steps_names_every_site_once(con):
    for site, epsilon in (("north", 20.0), ("south", 10.0), ("east", 40.0)):
        _fit(con, site, f"epsilon := {epsilon}", "method := 'independent'", model=f"alone_{site}")
    con.execute("CREATE OR REPLACE TABLE one AS FROM omopsql.merge(['alone_north', 'alone_south', 'alone_east'])")
    con.execute("CREATE OR REPLACE TABLE two AS FROM omopsql.merge(['alone_north', 'alone_south'])")
    con.execute("CREATE OR REPLACE TABLE three AS FROM omopsql.merge(['two', 'alone_east'])")
    at_once, in_steps = (_noise(con, model) for model in ("one", "three"))
    assert (_noise(con, "two")["epsilon"], in_steps["epsilon"], at_once["epsilon"]) == (20.0, 40.0, 40.0)
    assert {site["model"] for site in in_steps["sites"]} == {site["model"] for site in at_once["sites"]}
    told = "SELECT sum(rho), count(*), count(DISTINCT site) FROM omopsql.privacy_ledger('{}')"
    steps, once = (con.execute(told.format(model)).fetchall()[0] for model in ("three", "one"))
    assert steps == pytest.approx(once)
    with pytest.raises(Exception, match=r"(two and alone_north|alone_north and two) hold the same site"):
        con.execute("FROM omopsql.merge(['two', 'alone_north'])")


def test_what_is_made_of_it_says_what_protects_it(con, tmp_path):
    model, made = tmp_path / "m.parquet", tmp_path / "made.parquet"
    con.execute(f"COPY m TO '{model}'")
    done("synthesize", str(model), "-n", "50", "--seed", "1", "-o", str(made))
    marks = dict(con.execute(f"SELECT key, value FROM parquet_kv_metadata('{made}')").fetchall())
    assert (marks[b"omopsql.epsilon"], marks[b"omopsql.delta"]) == (b"40.0", b"1e-06")
    words = _one(con, "SELECT description FROM omopsql.copula_describe('m') WHERE statistic = 'model'")
    assert "noise at each of 3 sites hides any one person who is at no other, with epsilon 40 at" in words


# --- what it holds


def test_the_order_and_the_names_of_models_do_not_matter(con, tmp_path):
    for site, name in zip(SITES, ("c", "a", "b"), strict=True):
        con.execute(f"COPY of_{site} TO '{tmp_path / name}.parquet'")
    files = ", ".join(f"'{tmp_path / name}.parquet'" for name in ("a", "b", "c"))
    again = con.sql(f"FROM omopsql.copula_merge([{files}])").to_arrow_table()
    assert again.equals(con.sql("FROM m").to_arrow_table())


def test_rows_are_those_of_all_sites(con):
    rows = [_one(con, f"SELECT n FROM of_{site} WHERE statistic = 'model'") for site in SITES]
    assert _one(con, "SELECT n FROM m WHERE statistic = 'model'") == sum(rows)
    sums = con.execute("SELECT sum(n) FROM m WHERE statistic = 'margin' GROUP BY columns").fetchall()
    assert set(sums) == {(sum(rows),)}


def test_labels_add_up(con):
    counted = "statistic = 'margin' AND columns = ['sex'] AND value LIKE '%\"F\"%'"
    told = f"SELECT coalesce(sum(n), 0) FROM {{}} WHERE {counted}"
    assert _one(con, told.format("m")) == sum(_one(con, told.format(f"of_{site}")) for site in SITES)


def test_a_column_that_a_site_lacks_is_missing_in_its_rows(con):
    east = _one(con, "SELECT n FROM of_east WHERE statistic = 'model'")
    counted = "statistic = 'margin' AND columns = ['smoking'] AND value LIKE '%missing%'"
    told = f"SELECT coalesce(sum(n), 0) FROM {{}} WHERE {counted}"
    others = sum(_one(con, told.format(f"of_{site}")) for site in ("north", "south"))
    assert _one(con, told.format("m")) == others + east
    made = con.sql("FROM omopsql.copula_sample('m', 20, seed := 1)")
    assert (made.columns, made.types) == (con.sql("FROM every").columns, con.sql("FROM every").types)


def test_links_of_the_sites_survive():
    """Two sites of unlike people: a goes with b at both, and both are far from each other."""
    con = omopsql.connect()
    for site, label, low in (("north", "p", 0), ("south", "q", 40)):
        con.execute(
            f"CREATE TABLE {site} AS SELECT {low} + i % 10 AS a, '{label}' || (i % 10 >= 5)::INTEGER AS b "
            "FROM range(4000) t(i)"
        )
        _fit(con, site, "epsilon := 3.0")
    con.execute("CREATE TABLE m AS FROM omopsql.merge(['of_north', 'of_south'])")
    agree = _one(
        con,
        "SELECT avg((CASE WHEN a < 20 THEN 'p' ELSE 'q' END || (a % 10 >= 5)::INTEGER = b)::INTEGER) "
        "FROM omopsql.copula_sample('m', 4000, seed := 1)",
    )
    assert agree > 0.8


@pytest.mark.parametrize("method", ["copula", "independent"])
def test_the_method_is_that_of_the_sites(con, method):
    for site in ("north", "south"):
        _fit(con, site, "epsilon := 3.0", f"method := '{method}'", model=f"{method}_{site}")
    con.execute(f"CREATE OR REPLACE TABLE other AS FROM omopsql.merge(['{method}_north', '{method}_south'])")
    assert json.loads(_one(con, "SELECT value FROM other WHERE statistic = 'model'"))["method"] == method
    assert _one(con, "SELECT count(DISTINCT sex) FROM omopsql.copula_sample('other', 200, seed := 1)") == 2


def test_correlations_of_copulas_are_those_of_the_sites():
    con = omopsql.connect()
    for site, seed in (("north", 0.1), ("south", 0.2)):
        con.execute(f"SELECT setseed({seed})")
        con.execute(
            f"CREATE TABLE {site} AS WITH base AS (SELECT (random() * 100)::INTEGER AS a FROM range(5000)) "
            "SELECT a, (a + random() * 20)::INTEGER AS b FROM base"
        )
        _fit(con, site, "epsilon := 5.0", "method := 'copula'")
    con.execute("CREATE TABLE m AS FROM omopsql.merge(['of_north', 'of_south'])")
    site, merged = (
        _one(con, f"SELECT corr(a, b) FROM omopsql.copula_sample('{model}', 5000, seed := 1)")
        for model in ("of_north", "m")
    )
    assert site > 0.5
    assert abs(site - merged) < 0.1


def test_the_command_merges_what_the_command_fitted(con, tmp_path):
    con.execute(f"COPY (FROM every LIMIT 400) TO '{tmp_path / 'a.parquet'}'")
    con.execute(f"COPY (FROM every OFFSET 400 LIMIT 400) TO '{tmp_path / 'b.parquet'}'")
    parts = [str(tmp_path / f"{name}_model.parquet") for name in ("a", "b")]
    for name, part in zip(("a", "b"), parts, strict=True):
        done("fit", str(tmp_path / f"{name}.parquet"), "-o", part, "--epsilon", "3", "--method", "independent")
    both = str(tmp_path / "both.parquet")
    assert "Added 2 models" in done("merge", *parts, "-o", both).stderr
    assert _noise(con, f"'{both}'")["epsilon"] == 3.0
    assert "for_merge keeps exact sums" in refused(1, "merge", *parts, "--for-merge", "-o", str(tmp_path / "x.parquet"))


# --- common cells


def test_wider_cells_are_shared_out_among_narrower_ones():
    line = Column("age", "INTEGER", NUMBER, unit=1.0)
    fine = Margin(line, np.array([1.0, 2.0, 2.5]), np.array([1.0, 2.0, 4.5]), n=np.array([10, 20, 30]))
    wide = Margin(line, np.array([0.5]), np.array([4.5]), n=np.array([40]))
    found = common([fine, wide], [60, 40])
    assert found.margin.low.tolist() == [1.0, 2.0, 2.5]
    assert found.margin.high.tolist() == [1.0, 2.0, 4.5]
    assert found.margin.n.tolist() == [20, 30, 50]
    assert found.shares[1].tolist() == [[0.25, 0.25, 0.5]]


def test_single_values_inside_a_line_without_steps_stay_single():
    line = Column("x", "DOUBLE", NUMBER)
    heaped = Margin(line, np.array([0.0, 1.0]), np.array([2.0, 1.0]), n=np.array([10, 50]))
    plain = Margin(line, np.array([0.5]), np.array([3.0]), n=np.array([25]))
    found = common([heaped, plain], [60, 25])
    assert list(zip(found.margin.low, found.margin.high, strict=True)) == [(0, 0.5), (0.5, 2), (1, 1), (2, 3)]
    assert found.margin.n[2] == 50
    assert found.margin.n.sum() == 85


def test_gaps_between_cells_stay_empty():
    line = Column("x", "DOUBLE", NUMBER)
    one = Margin(line, np.array([0.0]), np.array([1.0]), n=np.array([10]))
    two = Margin(line, np.array([5.0]), np.array([6.0]), n=np.array([10]))
    found = common([one, two], [10, 10]).margin
    assert (found.low.tolist(), found.high.tolist()) == ([0.0, 5.0], [1.0, 6.0])


def test_labels_are_those_of_all_sites_the_commonest_first():
    column = Column("b", "VARCHAR", CATEGORY)
    one = Margin(column, labels=("p", "q"), has_missing=True, n=np.array([10, 8, 2]))
    two = Margin(column, labels=("q", "r"), has_rest=True, n=np.array([9, 5, 1]))
    found = common([one, two, None], [20, 15, 7]).margin
    assert (found.labels, found.has_rest, found.has_missing) == (("q", "p", "r"), True, True)
    assert found.n.tolist() == [17, 10, 5, 1, 9]


def test_texts_that_sites_read_differently_are_what_they_are_for_most_rows():
    texts, labels = Column("b", "VARCHAR", NUMBER_TEXT, unit=1.0), Column("b", "VARCHAR", CATEGORY)
    numbers = Margin(texts, np.array([1.0]), np.array([2.0]), labels=("p",), has_rest=True, n=np.array([6, 5, 1]))
    names = Margin(labels, labels=("p", "12"), n=np.array([20, 3]))
    found = common([numbers, names], [12, 23]).margin
    assert (found.column.kind, found.labels, found.n.tolist()) == (CATEGORY, ("p", "12"), [25, 3, 7])
    found = common([numbers, replace(names, n=np.array([4, 3]))], [12, 7]).margin
    assert (found.column.kind, found.numbers, found.labels, found.n.tolist()) == (
        NUMBER_TEXT,
        1,
        ("p", "12"),
        [6, 9, 3, 1],
    )


# --- what does not fit together


def _refusal(con, *models, more=""):
    listed = ", ".join(f"'{model}'" for model in models)
    with pytest.raises(Exception) as caught:
        con.execute(f"FROM omopsql.copula_merge([{listed}]{more})")
    return str(caught.value)


def test_exact_and_plain_models_are_refused_beside_noisy_ones(con):
    _fit(con, "south", model="plain_south")
    _fit(con, "south", "for_merge := true", "method := 'independent'", model="exact_south")
    assert "of_north was fitted with noise, and plain_south was fitted without" in _refusal(
        con, "plain_south", "of_north"
    )
    assert "of_north was fitted with noise, and exact_south holds exact sums" in _refusal(
        con, "of_north", "exact_south"
    )
    assert "every is no model of a table" in _refusal(con, "of_north", "every")


def test_exact_sums_cannot_be_asked_of_noise(con):
    assert "for_merge keeps exact sums" in _refusal(con, "of_north", "of_south", more=", for_merge := true")
    with pytest.raises(Exception, match="models with epsilon are merged as they are"):
        con.execute("FROM omopsql.copula_fit('north', epsilon := 1.0, for_merge := true)")


def test_the_same_model_twice_is_refused(con):
    con.execute("CREATE OR REPLACE TABLE copied AS FROM of_north")
    assert "hold the same site" in _refusal(con, "of_north", "copied", "of_south")


def test_types_persons_and_kinds_must_agree(con):
    con.execute("CREATE OR REPLACE TABLE wide AS SELECT * REPLACE (bmi::VARCHAR AS bmi) FROM south")
    _fit(con, "wide", "epsilon := 3.0", "method := 'independent'")
    refusal = _refusal(con, "of_north", "of_wide")
    assert "column bmi is of type" in refusal
    assert "DOUBLE in of_north" in refusal
    _fit(con, "south", "epsilon := 3.0", "person := 'patient_id'", "method := 'independent'", model="by_person")
    refusal = _refusal(con, "of_north", "by_person")
    assert "by_person persons told apart by patient_id" in refusal or "by_person protects persons" in refusal
    _fit(con, "south", "epsilon := 3.0", "columns := {'bmi': 'identifier'}", "method := 'independent'", model="keyed")
    assert "column bmi is a key in keyed, but learned in of_north" in _refusal(con, "of_north", "keyed")


def test_a_column_that_a_site_skips_is_missing_there(con):
    _fit(con, "south", "epsilon := 3.0", "columns := {'bmi': 'skip'}", "method := 'independent'", model="skipping")
    con.execute("CREATE OR REPLACE TABLE other AS FROM omopsql.merge(['of_north', 'skipping'])")
    share = _one(con, "SELECT avg((bmi IS NULL)::INTEGER) FROM omopsql.copula_sample('other', 3000, seed := 1)")
    assert 0.3 < share < 0.5
