"""Synthetic records cost as often, as much and who pays as in the source, and sums of amounts hold."""

from __future__ import annotations

from pathlib import Path

import hospital_cdm as made
import numpy as np
import pytest
from hospital_twins import Twins, halves_add_up, of_layer, with_noise
from scipy.stats import ks_2samp

import omopsql
from omopsql.synth.hospital import costs as layer
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.costs.patterns import AMOUNTS, patterns_of
from omopsql.synth.hospital.fit import RULES, fit
from omopsql.synth.hospital.generate import Hospital

SOURCE, SYNTHETIC, SEED, TABLE = 900, 1500, 5, "cost"


@pytest.fixture(scope="module")
def twins() -> Twins:
    con = omopsql.connect()
    made.make_hospital(con, persons=SOURCE)
    made.add_payers(con)
    made.add_costs(con)
    return Twins(con, SYNTHETIC, SEED)


_VISITS = "FROM {}.cost JOIN {}.visit_occurrence ON visit_occurrence_id = cost_event_id WHERE cost_domain_id = 'Visit'"


def test_as_many_records_have_a_cost(twins: Twins) -> None:
    for domain, table, expected in (
        ("Visit", "visit_occurrence", 0.9),
        ("Drug", "drug_exposure", 1),
        ("Condition", "condition_occurrence", 0),
    ):
        shares = f"""
            SELECT (SELECT count(*) FROM {{0}}.cost WHERE cost_domain_id = '{domain}')
                / (SELECT count(*) FROM {{0}}.{table})
        """
        of_source, of_made = twins.columns(shares)
        assert abs(of_source[0] - expected) < 0.02
        assert abs(of_made[0] - of_source[0]) < 0.02


@pytest.mark.parametrize("amount", ["total_charge", "total_paid", "amount_allowed", "paid_by_patient", "paid_by_payer"])
@pytest.mark.parametrize("concept", [made.INPATIENT, made.OUTPATIENT])
def test_visits_cost_as_much(twins: Twins, amount: str, concept: int) -> None:
    sql = f"SELECT {amount} {_VISITS} AND visit_concept_id = {concept} AND {amount} IS NOT NULL"
    of_source, of_made = twins.columns(sql.replace("{}", "{0}"))
    assert ks_2samp(of_source, of_made).statistic < 0.08
    assert abs(np.median(of_made) / np.median(of_source) - 1) < 0.1


@pytest.mark.parametrize("amount", ["paid_ingredient_cost", "paid_dispensing_fee", "paid_by_patient"])
def test_drugs_cost_as_much(twins: Twins, amount: str) -> None:
    sql = f"SELECT {amount} FROM {{}}.cost WHERE cost_domain_id = 'Drug' AND {amount} IS NOT NULL"
    of_source, of_made = twins.columns(sql)
    assert of_made.size > SYNTHETIC // 3
    assert ks_2samp(of_source, of_made).statistic < 0.15


@pytest.mark.parametrize(
    "identity",
    [
        "abs(total_paid - paid_by_payer - paid_by_patient) < 0.011",
        "total_paid = amount_allowed",
        "paid_patient_copay IS NULL OR paid_patient_copay = paid_by_patient",
        "paid_ingredient_cost IS NULL OR abs(total_charge - paid_ingredient_cost - paid_dispensing_fee) < 0.011",
        "paid_by_payer >= 0 AND paid_by_patient >= 0",
        "currency_concept_id = 44818668 AND cost_type_concept_id = 32814",
        "(payer_plan_period_id IS NOT NULL) OR paid_by_payer = 0",
    ],
)
def test_what_holds_of_the_source_holds(twins: Twins, identity: str) -> None:
    of_source, of_made = twins.columns(f"SELECT avg(CASE WHEN {identity} THEN 1 ELSE 0 END) FROM {{}}.cost")
    assert of_source[0] == 1
    assert of_made[0] == 1


def test_a_cost_is_of_a_record_that_is_there(twins: Twins) -> None:
    for domain, table in (("Visit", "visit_occurrence"), ("Drug", "drug_exposure")):
        ((orphans, strangers),) = twins.con.execute(
            f"""
            SELECT count(*) FILTER (record.person_id IS NULL), count(*) FILTER (record.person_id <> cost_id // 1000000)
            FROM made.cost LEFT JOIN made.{table} AS record ON {table}_id = cost_event_id
            WHERE cost_domain_id = '{domain}'
            """
        ).fetchall()
        assert (orphans, strangers) == (0, 0)
    ((rows, keys),) = twins.con.execute("SELECT count(*), count(DISTINCT cost_id) FROM made.cost").fetchall()
    assert rows == keys > SYNTHETIC


def test_a_cost_refers_to_the_period_that_covers_its_day(twins: Twins) -> None:
    linked = "SELECT avg(CASE WHEN payer_plan_period_id IS NULL THEN 0 ELSE 1 END) FROM {}.cost"
    of_source, of_made = twins.columns(linked)
    assert abs(of_source[0] - of_made[0]) < 0.05
    ((wrong,),) = twins.con.execute(
        f"SELECT count(*) {_VISITS.format('made', 'made')} AND payer_plan_period_id IS NOT NULL AND NOT EXISTS ("
        "FROM made.payer_plan_period AS period WHERE period.payer_plan_period_id = cost.payer_plan_period_id "
        "AND period.person_id = visit_occurrence.person_id "
        "AND visit_start_date BETWEEN payer_plan_period_start_date AND payer_plan_period_end_date)"
    ).fetchall()
    assert wrong == 0


def test_no_amount_and_no_code_of_one_person_is_seen(twins: Twins) -> None:
    of_source, of_made = twins.columns("SELECT max(total_charge) FROM {}.cost")
    assert of_source[0] > 7_000_000
    assert of_made[0] < 20_000
    assert not [label for label in twins.model["label"].to_pylist() if label and "ward" in label]
    assert twins.con.execute("SELECT count(revenue_code_source_value) FROM made.cost").fetchall() == [(0,)]


@pytest.mark.parametrize("numbers", [[7], [3, 900, 1499], range(500, 600)])
def test_a_person_is_the_same_alone_and_among_many(twins: Twins, numbers: list[int]) -> None:
    assert twins.same_alone(numbers, [TABLE])[TABLE].num_rows > 0


def test_the_table_is_served_and_written_alike(twins: Twins) -> None:
    own = twins.source.cursor()
    own.register("m_costs", twins.model)
    own.execute("CREATE OR REPLACE TABLE m_costs_kept AS FROM m_costs")
    served = own.execute(
        f"FROM omopsql.cdm_sample('m_costs_kept', 'cost', persons := 40, seed := {SEED}) ORDER BY cost_id"
    ).fetchall()
    assert served == twins.con.execute("FROM made.cost WHERE cost_id < 41000000 ORDER BY cost_id").fetchall()


def test_no_check_fails_that_the_source_passes(twins: Twins, tmp_path: Path) -> None:
    assert [check for check in twins.newly_failed(tmp_path) if check[1] in (TABLE, "payer_plan_period")] == []


def test_no_small_cell_is_released_and_each_is_told_in_words(twins: Twins) -> None:
    assert twins.released_in_words("costs") == set(layer.RULES)
    assert all(RULES[name].counts_persons for name in layer.RULES)


def test_two_halves_add_up_to_the_whole() -> None:
    assert of_layer(halves_add_up(made.add_payers, made.add_costs).to_table(), "costs")


def test_costs_without_payers_and_none_at_all() -> None:
    """In version 5.3, and where no plan is known; an empty table makes no rows."""
    con = omopsql.connect()
    made.make_hospital(con, persons=200)
    made.add_payers(con)
    made.add_costs(con)
    con.execute("DROP TABLE cdm.payer_plan_period; UPDATE cdm.cost SET payer_plan_period_id = NULL")
    con.execute("CREATE TABLE cdm.cdm_source AS SELECT 'v5.3' AS cdm_version")
    hospital = Hospital(fit(con.cursor(), "cdm")[0])
    rows = tables.render(TABLE, hospital.lives(1, np.arange(1, 60)), hospital)
    assert hospital.version == "5.3"
    assert rows.num_rows > 300
    assert rows["payer_plan_period_id"].null_count == rows.num_rows
    con.execute("DELETE FROM cdm.cost")
    model = fit(con.cursor(), "cdm")[0]
    assert of_layer(model, "costs") == []
    hospital = Hospital(model)
    assert tables.render(TABLE, hospital.lives(1, np.arange(1, 60)), hospital).num_rows == 0


def test_noise_leaves_costs_out(twins: Twins) -> None:
    assert of_layer(with_noise(twins.source), "costs", "payers") == []


def test_amounts_depend_on_each_other_by_patterns() -> None:
    none = np.zeros((4, len(AMOUNTS)), np.bool_)
    none[:, 6:] = True
    amounts = np.zeros((4, len(AMOUNTS)), np.int64)
    amounts[:, :6] = [
        [1000, 800, 800, 800, 200, 600],
        [1000, 1000, 900, 900, 900, 0],
        [1000, 1000, 1000, 1000, 500, 500],
        [1000, 700, 600, 500, -5, 7],
    ]
    told = patterns_of(amounts, none)
    assert [told.labels[number].rstrip("n") for number in told.numbers.tolist()] == [
        "ff=b=bf-d",
        "f=af=c=c0",
        "f=a=a=af-d",
        "ffffmf",
    ]


def test_the_primary_payer_pays_what_the_payer_does_though_the_patient_pays_as_much() -> None:
    missing = np.zeros((1, len(AMOUNTS)), np.bool_)
    missing[:, [6, 7, 8, 10, 11]] = True
    amounts = np.array([[1000, 1000, 1000, 1000, 500, 500, 0, 0, 0, 500, 0, 0]])
    told = patterns_of(amounts, missing)
    assert list(told.labels.values()) == ["f=a=a=af-dnnn=fnn"]
