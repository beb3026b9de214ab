"""Synthetic persons are insured by the payers of the source, as long, one after the other, and at the same ages."""

from __future__ import annotations

from pathlib import Path

import duckdb
import hospital_cdm as made
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

import omopsql
from omopsql.quoting import literal
from omopsql.synth.hospital import payers as layer
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.choices import Choices, put_rates, put_shares, rates
from omopsql.synth.hospital.describe import described
from omopsql.synth.hospital.fit import RULES, fit, released
from omopsql.synth.hospital.generate import Hospital
from omopsql.synth.hospital.noise.fit import Protection, fit_with_noise
from omopsql.synth.hospital.payers.statistics import AFTER_DEATH
from omopsql.synth.hospital.release import DROP, release
from omopsql.synth.hospital.sums import HEADER, Header, Sums

SOURCE, SYNTHETIC, SEED, TABLE = 900, 2000, 5, "payer_plan_period"


@pytest.fixture(scope="module")
def source() -> duckdb.DuckDBPyConnection:
    con = omopsql.connect()
    made.make_hospital(con, persons=SOURCE)
    made.add_payers(con)
    return con


@pytest.fixture(scope="module")
def model(source: duckdb.DuckDBPyConnection) -> pa.Table:
    return fit(source.cursor(), "cdm")[0]


@pytest.fixture(scope="module")
def hospital(model: pa.Table) -> Hospital:
    return Hospital(model)


@pytest.fixture(scope="module")
def con(source: duckdb.DuckDBPyConnection, hospital: Hospital) -> duckdb.DuckDBPyConnection:
    """A database with both: schemas ``cdm`` and ``made``."""
    found = source.cursor()
    found.execute("CREATE SCHEMA made")
    lives = hospital.lives(SEED, np.arange(1, SYNTHETIC + 1))
    for name in tables.made(hospital):
        found.register("rows_made", tables.render(name, lives, hospital))
        found.execute(f"CREATE TABLE made.{name} AS FROM rows_made")
    return found


def _of_both(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[np.ndarray, np.ndarray]:
    found = (con.execute(sql.format(schema)).fetchall() for schema in ("cdm", "made"))
    one, other = (np.array([value for (value,) in rows], np.float64) for rows in found)
    return one, other


def _shares(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[dict[object, float], dict[object, float]]:
    one, other = (con.execute(sql.format(schema)).fetchall() for schema in ("cdm", "made"))
    return tuple({key: n / sum(m for _, m in rows) for key, n in rows} for rows in (one, other))  # type: ignore[return-value]


def test_as_many_persons_have_as_many_periods(con: duckdb.DuckDBPyConnection) -> None:
    numbers = """
        SELECT count(payer_plan_period_id) FROM {0}.person LEFT JOIN {0}.payer_plan_period USING (person_id)
        GROUP BY person_id
    """
    of_source, of_made = _of_both(con, numbers)
    assert of_made.size == SYNTHETIC
    assert abs((of_source == 0).mean() - 0.1) < 0.01
    assert abs((of_made == 0).mean() - 0.1) < 0.03
    assert abs(of_made.mean() / of_source.mean() - 1) < 0.05
    assert ks_2samp(of_source, of_made).statistic < 0.1


def test_periods_last_as_long_and_begin_and_end_with_observation(con: duckdb.DuckDBPyConnection) -> None:
    length = "SELECT payer_plan_period_end_date - payer_plan_period_start_date FROM {}.payer_plan_period"
    of_source, of_made = _of_both(con, length)
    assert of_made.min() >= 0
    assert ks_2samp(of_source, of_made).statistic < 0.08
    assert abs((of_source == 729).mean() - (of_made == 729).mean()) < 0.05
    at_the_edges = """
        SELECT avg(CASE WHEN {1} THEN 1 ELSE 0 END)
        FROM (
            SELECT person_id, min(payer_plan_period_start_date) AS first_date, max(payer_plan_period_end_date)
                AS last_date FROM {0}.payer_plan_period GROUP BY person_id
        ) JOIN {0}.observation_period USING (person_id)
    """
    for edge in ("first_date = observation_period_start_date", "last_date = observation_period_end_date"):
        of_source, of_made = _of_both(con, at_the_edges.format("{0}", edge))
        assert of_source[0] == 1
        assert of_made[0] > 0.97
    outside = at_the_edges.format("{0}", "first_date < observation_period_start_date OR "
                                  "last_date > observation_period_end_date")  # fmt: skip
    assert _of_both(con, outside)[1][0] == 0


_STEPS = """
    SELECT {1} AS step, count(*) FROM (
        SELECT *, lag(payer_source_value) OVER own AS before,
            payer_plan_period_start_date - lag(payer_plan_period_end_date) OVER own AS gap,
            year(payer_plan_period_start_date) - year_of_birth AS age
        FROM {0}.payer_plan_period JOIN {0}.person USING (person_id)
        WINDOW own AS (PARTITION BY person_id ORDER BY payer_plan_period_start_date)
    ) WHERE {2} GROUP BY step
"""


@pytest.mark.parametrize(
    ("step", "where", "near"),
    [
        ("payer_source_value", "true", 0.05),
        ("payer_source_value || plan_source_value", "true", 0.05),
        ("payer_source_value", "age < 60", 0.05),
        ("payer_source_value = 'Medicare'", "age > 68", 0.04),
        ("before || payer_source_value", "age < 60 AND before IS NOT NULL", 0.05),
        ("gap = 1", "gap IS NOT NULL", 0.03),
    ],
)
def test_payers_follow_each_other_as_before(con: duckdb.DuckDBPyConnection, step: str, where: str, near: float) -> None:
    of_source, of_made = _shares(con, _STEPS.format("{0}", step, where))
    for key in of_source | of_made:
        assert abs(of_made.get(key, 0) - of_source.get(key, 0)) < near, key


def test_gaps_are_as_long_and_nothing_overlaps(con: duckdb.DuckDBPyConnection) -> None:
    of_source, of_made = _of_both(con, "SELECT gap FROM (" + _STEPS.format("{0}", "gap", "gap > 1") + ") AS t (gap, n)")
    assert of_source.min() == 91
    assert of_made.min() > 60
    assert of_made.max() < 180
    ((overlaps,),) = con.execute(
        "SELECT count(*) FROM made.payer_plan_period AS one JOIN made.payer_plan_period AS other USING (person_id) "
        "WHERE one.payer_plan_period_id < other.payer_plan_period_id "
        "AND one.payer_plan_period_end_date >= other.payer_plan_period_start_date"
    ).fetchall()
    assert overlaps == 0


def test_no_name_of_few_and_no_family_comes_back(con: duckdb.DuckDBPyConnection, model: pa.Table) -> None:
    ((families, plans, unknown),) = con.execute(
        "SELECT count(family_source_value), count(*) FILTER (plan_source_value LIKE 'plan of%'), "
        "count(*) FILTER (plan_source_value IS NULL) FROM made.payer_plan_period"
    ).fetchall()
    assert (families, plans) == (0, 0)
    assert unknown > 0
    assert not [label for label in model["label"].to_pylist() if label and ("family" in label or "plan of" in label)]


def test_a_period_ends_for_a_reason_when_it_is_the_last(con: duckdb.DuckDBPyConnection) -> None:
    of_source, of_made = _shares(con, "SELECT stop_reason_source_value, count(*) FROM {}.payer_plan_period GROUP BY 1")
    assert abs(of_made["left"] - of_source["left"]) < 0.03


def test_keys_fit_and_are_unique(con: duckdb.DuckDBPyConnection) -> None:
    ((rows, keys, orphans),) = con.execute(
        "SELECT count(*), count(DISTINCT payer_plan_period_id), count(*) FILTER (person.person_id IS NULL) "
        "FROM made.payer_plan_period LEFT JOIN made.person USING (person_id)"
    ).fetchall()
    assert rows == keys > SYNTHETIC
    assert orphans == 0


def test_a_person_is_the_same_alone_and_among_many(con: duckdb.DuckDBPyConnection, hospital: Hospital) -> None:
    whole = con.sql("FROM made.payer_plan_period ORDER BY payer_plan_period_id").to_arrow_table()
    for numbers in ([7], [3, 900, 1999], list(range(500, 700))):
        alone = tables.render(TABLE, hospital.lives(SEED, np.array(numbers)), hospital)
        own = np.isin(whole["person_id"].to_numpy(), numbers)
        assert alone.num_rows > 0
        assert alone.to_pylist() == whole.filter(pa.array(own)).to_pylist()


def test_the_table_is_served_by_person(source: duckdb.DuckDBPyConnection, model: pa.Table) -> None:
    con = source.cursor()
    con.register("m_payers", model)
    con.execute("CREATE OR REPLACE TABLE m_payers_kept AS FROM m_payers")
    sample = "FROM omopsql.cdm_sample('m_payers_kept', 'payer_plan_period', persons := 50, seed := 5)"
    rows = con.execute(f"SELECT * {sample} WHERE person_id = 17").fetchall()
    assert rows
    assert rows == con.execute(f"SELECT * FROM ({sample}) WHERE person_id = 17").fetchall()
    assert {row[1] for row in rows} == {17}


def test_no_check_fails_that_the_source_passes(
    source: duckdb.DuckDBPyConnection, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for schema in ("cdm", "made"):
        made.write_hospital(con, schema, tmp_path / schema)
    with omopsql.connect() as own:
        worse = own.execute(
            f"""
            SELECT made.checkName, made.cdmFieldName
            FROM omopsql.check_cdm({literal(str(tmp_path / "made"))}) AS made
            JOIN omopsql.check_cdm({literal(str(tmp_path / "cdm"))}) AS real USING (checkId)
            WHERE made.failed = 1 AND real.failed = 0 AND lower(made.cdmTableName) = 'payer_plan_period'
            """
        ).fetchall()
    assert worse == []


def test_no_small_cell_is_released_and_each_is_told_in_words(
    source: duckdb.DuckDBPyConnection, model: pa.Table
) -> None:
    found = [row for row in model.to_pylist() if row["statistic"].startswith("payers.")]
    unheard = {AFTER_DEATH, "payers.begin_days", "payers.begin_days.span", "payers.days", "payers.days.kind"}
    assert {row["statistic"] for row in found} == set(layer.RULES) - unheard
    assert min(row["n"] for row in found if RULES[row["statistic"]].counts_persons) >= 10
    told = described(source.cursor(), Sums.from_table(model, "m"), "m").to_pylist()
    said = [row["words"] for row in told if row["statistic"].startswith("payers.")]
    assert len(said) == len(found)
    assert not [words for words in said if "(key" in words or "{number}" in words]


def _bare(table: pa.Table) -> Sums:
    sums = Sums.from_table(table, "a part")
    sums.drop(HEADER)
    return sums


def test_two_halves_add_up_to_the_whole() -> None:
    con = omopsql.connect()
    for name, persons, first in (("a", 250, 1), ("b", 350, 251), ("whole", 600, 1)):
        made.make_hospital(con, name, persons, first)
        made.add_payers(con, name)
    first = [fit(con.cursor(), name, for_merge=True, margins_only=True)[0] for name in "ab"]
    margins = Sums.merged([*map(_bare, first), Header(600, "5.4", 10, private=True, round=1).sums()])
    second = [fit(con.cursor(), name, for_merge=True, margins=margins)[0] for name in "ba"]
    pooled = fit(con.cursor(), "whole", for_merge=True)[0]
    merged = Sums.merged(map(_bare, second))
    assert merged.to_table().equals(_bare(pooled).to_table())
    of_whole = fit(con.cursor(), "whole")[0]
    merged.drop("counted by")
    assert released(merged, 10).to_table().equals(_bare(of_whole).to_table())


def test_a_hospital_without_payers_learns_none_and_is_what_it_was() -> None:
    """An empty table adds no statistic, and makes no rows."""
    con = omopsql.connect()
    made.make_hospital(con)
    without = fit(con.cursor(), "cdm")[0]
    made.add_payers(con)
    con.execute("DELETE FROM cdm.payer_plan_period")
    empty = fit(con.cursor(), "cdm")[0]
    assert not [name for name in empty["statistic"].to_pylist() if name.startswith("payers.")]
    one, other = ({name: hospital.lives(1, np.arange(1, 20)) for name in ("lives",)} | {"hospital": hospital}
                  for hospital in map(Hospital, (without, empty)))  # fmt: skip
    for name in tables.made(one["hospital"]):
        assert tables.render(name, one["lives"], one["hospital"]).equals(
            tables.render(name, other["lives"], other["hospital"])
        )
    assert tables.render(TABLE, other["lives"], other["hospital"]).num_rows == 0


def test_noise_leaves_payers_out(source: duckdb.DuckDBPyConnection) -> None:
    model, _ = fit_with_noise(source.cursor(), "cdm", Protection(50.0, 1e-6, 4))
    assert not [name for name in model["statistic"].to_pylist() if name.startswith("payers.")]
    hospital = Hospital(model)
    assert tables.render(TABLE, hospital.lives(1, np.arange(1, 20)), hospital).num_rows == 0


def test_version_5_3_has_its_columns() -> None:
    con = omopsql.connect()
    made.make_hospital(con, persons=300)
    made.add_payers(con)
    con.execute("CREATE TABLE cdm.cdm_source AS SELECT 'v5.3' AS cdm_version")
    hospital = Hospital(fit(con.cursor(), "cdm")[0])
    assert hospital.version == "5.3"
    rows = tables.render(TABLE, hospital.lives(1, np.arange(1, 100)), hospital)
    assert rows.num_rows > 200


# Choices


def test_shares_that_are_left_open_are_drawn_from_the_coarser_cell_without_what_was_told() -> None:
    person = np.arange(1000)
    cell = (person % 2)[:, None]
    outcome = np.where(person % 2 == 0, np.where(person < 900, 1, 2 + person % 7), 1 + person % 3)
    sums, rungs = Sums(), {"s.fine": (0,), "s.coarse": (), "s": ()}
    put_shares(sums, rungs, person, person.astype(np.uint64), cell, outcome)
    held = Choices.shares(release(sums, dict.fromkeys(rungs, DROP), 20), rungs)
    u = np.random.default_rng(1).random((20_000, 3))
    drawn = held.draw(np.zeros((20_000, 1), np.int64), u)
    assert abs((drawn == 1).mean() - 0.9) < 0.01
    assert set(drawn.tolist()) == {1, 2, 3}


def test_a_chance_of_few_persons_is_not_nought() -> None:
    person = np.repeat(np.arange(100), 10)
    outcome = np.ones(1000, np.int64)
    outcome[[5, 17, 33, 999]] = 0
    group = (person >= 50).astype(np.int64)
    outcome[(group == 1) & (np.arange(1000) % 10 == 0)] = 0
    sums, rungs = Sums(), {"r.group": (0,), "r": ()}
    put_rates(sums, rungs, person, group[:, None], outcome)
    rules = rates(*rungs)
    held = Choices.chances(release(sums, rules, 10), rungs, 10)
    u = np.random.default_rng(2).random((50_000, 2))
    drawn = held.draw(np.zeros((50_000, 1), np.int64), u)
    assert abs((drawn == 0).mean() - 4.5 / 501.5) < 0.002
    assert abs((held.draw(np.ones((50_000, 1), np.int64), u) == 0).mean() - 0.1) < 0.01
