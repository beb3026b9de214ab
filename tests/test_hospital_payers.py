"""Synthetic persons are insured by the payers of the source, as long, one after the other, and at the same ages."""

from __future__ import annotations

from pathlib import Path

import hospital_cdm as made
import numpy as np
import pytest
from hospital_twins import Twins, halves_add_up, of_layer, with_noise
from scipy.stats import ks_2samp

import omopsql
from omopsql.synth.hospital import payers as layer
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.fit import fit
from omopsql.synth.hospital.generate import Hospital
from omopsql.synth.hospital.payers.statistics import AFTER_DEATH

SOURCE, SYNTHETIC, SEED, TABLE = 900, 2000, 5, "payer_plan_period"


@pytest.fixture(scope="module")
def twins() -> Twins:
    con = omopsql.connect()
    made.make_hospital(con, persons=SOURCE)
    made.add_payers(con)
    return Twins(con, SYNTHETIC, SEED)


def test_as_many_persons_have_as_many_periods(twins: Twins) -> None:
    numbers = """
        SELECT count(payer_plan_period_id) FROM {0}.person LEFT JOIN {0}.payer_plan_period USING (person_id)
        GROUP BY person_id
    """
    of_source, of_made = twins.columns(numbers)
    assert of_made.size == SYNTHETIC
    assert abs((of_source == 0).mean() - 0.1) < 0.01
    assert abs((of_made == 0).mean() - 0.1) < 0.03
    assert abs(of_made.mean() / of_source.mean() - 1) < 0.05
    assert ks_2samp(of_source, of_made).statistic < 0.1


def test_periods_last_as_long_and_begin_and_end_with_observation(twins: Twins) -> None:
    length = "SELECT payer_plan_period_end_date - payer_plan_period_start_date FROM {}.payer_plan_period"
    of_source, of_made = twins.columns(length)
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
        of_source, of_made = twins.columns(at_the_edges.format("{0}", edge))
        assert of_source[0] == 1
        assert of_made[0] > 0.97
    outside = at_the_edges.format("{0}", "first_date < observation_period_start_date OR "
                                  "last_date > observation_period_end_date")  # fmt: skip
    assert twins.columns(outside)[1][0] == 0


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
def test_payers_follow_each_other_as_before(twins: Twins, step: str, where: str, near: float) -> None:
    of_source, of_made = twins.shares(_STEPS.format("{0}", step, where))
    for key in of_source | of_made:
        assert abs(of_made.get(key, 0) - of_source.get(key, 0)) < near, key


def test_gaps_are_as_long_and_nothing_overlaps(twins: Twins) -> None:
    of_source, of_made = twins.columns("SELECT gap FROM (" + _STEPS.format("{0}", "gap", "gap > 1") + ") AS t (gap, n)")
    assert of_source.min() == 91
    assert of_made.min() > 60
    assert of_made.max() < 180
    ((overlaps,),) = twins.con.execute(
        "SELECT count(*) FROM made.payer_plan_period AS one JOIN made.payer_plan_period AS other USING (person_id) "
        "WHERE one.payer_plan_period_id < other.payer_plan_period_id "
        "AND one.payer_plan_period_end_date >= other.payer_plan_period_start_date"
    ).fetchall()
    assert overlaps == 0


def test_no_name_of_few_and_no_family_comes_back(twins: Twins) -> None:
    ((families, plans, unknown),) = twins.con.execute(
        "SELECT count(family_source_value), count(*) FILTER (plan_source_value LIKE 'plan of%'), "
        "count(*) FILTER (plan_source_value IS NULL) FROM made.payer_plan_period"
    ).fetchall()
    assert (families, plans) == (0, 0)
    assert unknown > 0
    labels = twins.model["label"].to_pylist()
    assert not [label for label in labels if label and ("family" in label or "plan of" in label)]


def test_a_period_ends_for_a_reason_when_it_is_the_last(twins: Twins) -> None:
    of_source, of_made = twins.shares("SELECT stop_reason_source_value, count(*) FROM {}.payer_plan_period GROUP BY 1")
    assert abs(of_made["left"] - of_source["left"]) < 0.03


def test_keys_fit_and_are_unique(twins: Twins) -> None:
    ((rows, keys, orphans),) = twins.con.execute(
        "SELECT count(*), count(DISTINCT payer_plan_period_id), count(*) FILTER (person.person_id IS NULL) "
        "FROM made.payer_plan_period LEFT JOIN made.person USING (person_id)"
    ).fetchall()
    assert rows == keys > SYNTHETIC
    assert orphans == 0


@pytest.mark.parametrize("numbers", [[7], [3, 900, 1999], range(500, 700)])
def test_a_person_is_the_same_alone_and_among_many(twins: Twins, numbers: list[int]) -> None:
    assert twins.same_alone(numbers, [TABLE])[TABLE].num_rows > 0


def test_the_table_is_served_by_person(twins: Twins) -> None:
    con = twins.source.cursor()
    con.register("m_payers", twins.model)
    con.execute("CREATE OR REPLACE TABLE m_payers_kept AS FROM m_payers")
    sample = "FROM omopsql.cdm_sample('m_payers_kept', 'payer_plan_period', persons := 50, seed := 5)"
    rows = con.execute(f"SELECT * {sample} WHERE person_id = 17").fetchall()
    assert rows
    assert rows == con.execute(f"SELECT * FROM ({sample}) WHERE person_id = 17").fetchall()
    assert {row[1] for row in rows} == {17}


def test_no_check_fails_that_the_source_passes(twins: Twins, tmp_path: Path) -> None:
    assert [check for check in twins.newly_failed(tmp_path) if check[1] == TABLE] == []


def test_no_small_cell_is_released_and_each_is_told_in_words(twins: Twins) -> None:
    unheard = {AFTER_DEATH, "payers.begin_days", "payers.begin_days.span", "payers.days", "payers.days.kind"}
    assert twins.released_in_words("payers") == set(layer.RULES) - unheard


def test_two_halves_add_up_to_the_whole() -> None:
    assert of_layer(halves_add_up(made.add_payers).to_table(), "payers")


def test_a_hospital_without_payers_learns_none_and_is_what_it_was() -> None:
    """An empty table adds no statistic, and makes no rows."""
    con = omopsql.connect()
    made.make_hospital(con)
    without = fit(con.cursor(), "cdm")[0]
    made.add_payers(con)
    con.execute("DELETE FROM cdm.payer_plan_period")
    empty = fit(con.cursor(), "cdm")[0]
    assert of_layer(empty, "payers") == []
    one, other = ({name: hospital.lives(1, np.arange(1, 20)) for name in ("lives",)} | {"hospital": hospital}
                  for hospital in map(Hospital, (without, empty)))  # fmt: skip
    for name in tables.made(one["hospital"]):
        assert tables.render(name, one["lives"], one["hospital"]).equals(
            tables.render(name, other["lives"], other["hospital"])
        )
    assert tables.render(TABLE, other["lives"], other["hospital"]).num_rows == 0


def test_noise_leaves_payers_out(twins: Twins) -> None:
    model = with_noise(twins.source)
    assert of_layer(model, "payers") == []
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
