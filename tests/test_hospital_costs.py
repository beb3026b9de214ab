"""Synthetic records cost as often, as much and who pays as in the source, and sums of amounts hold."""

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
from omopsql.synth.hospital import costs as layer
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.costs.patterns import AMOUNTS, patterns_of
from omopsql.synth.hospital.describe import described
from omopsql.synth.hospital.fit import RULES, fit, released
from omopsql.synth.hospital.generate import Hospital
from omopsql.synth.hospital.noise.fit import Protection, fit_with_noise
from omopsql.synth.hospital.sums import HEADER, Header, Sums

SOURCE, SYNTHETIC, SEED, TABLE = 900, 1500, 5, "cost"


@pytest.fixture(scope="module")
def source() -> duckdb.DuckDBPyConnection:
    con = omopsql.connect()
    made.make_hospital(con, persons=SOURCE)
    made.add_payers(con)
    made.add_costs(con)
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


_VISITS = "FROM {}.cost JOIN {}.visit_occurrence ON visit_occurrence_id = cost_event_id WHERE cost_domain_id = 'Visit'"


def test_as_many_records_have_a_cost(con: duckdb.DuckDBPyConnection) -> None:
    for domain, table, expected in (
        ("Visit", "visit_occurrence", 0.9),
        ("Drug", "drug_exposure", 1),
        ("Condition", "condition_occurrence", 0),
    ):
        shares = f"""
            SELECT (SELECT count(*) FROM {{0}}.cost WHERE cost_domain_id = '{domain}')
                / (SELECT count(*) FROM {{0}}.{table})
        """
        of_source, of_made = _of_both(con, shares)
        assert abs(of_source[0] - expected) < 0.02
        assert abs(of_made[0] - of_source[0]) < 0.02


@pytest.mark.parametrize("amount", ["total_charge", "total_paid", "amount_allowed", "paid_by_patient", "paid_by_payer"])
@pytest.mark.parametrize("concept", [made.INPATIENT, made.OUTPATIENT])
def test_visits_cost_as_much(con: duckdb.DuckDBPyConnection, amount: str, concept: int) -> None:
    sql = f"SELECT {amount} {_VISITS} AND visit_concept_id = {concept} AND {amount} IS NOT NULL"
    of_source, of_made = _of_both(con, sql.replace("{}", "{0}"))
    assert ks_2samp(of_source, of_made).statistic < 0.08
    assert abs(np.median(of_made) / np.median(of_source) - 1) < 0.1


@pytest.mark.parametrize("amount", ["paid_ingredient_cost", "paid_dispensing_fee", "paid_by_patient"])
def test_drugs_cost_as_much(con: duckdb.DuckDBPyConnection, amount: str) -> None:
    sql = f"SELECT {amount} FROM {{}}.cost WHERE cost_domain_id = 'Drug' AND {amount} IS NOT NULL"
    of_source, of_made = _of_both(con, sql)
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
def test_what_holds_of_the_source_holds(con: duckdb.DuckDBPyConnection, identity: str) -> None:
    of_source, of_made = _of_both(con, f"SELECT avg(CASE WHEN {identity} THEN 1 ELSE 0 END) FROM {{}}.cost")
    assert of_source[0] == 1
    assert of_made[0] == 1


def test_a_cost_is_of_a_record_that_is_there(con: duckdb.DuckDBPyConnection) -> None:
    for domain, table in (("Visit", "visit_occurrence"), ("Drug", "drug_exposure")):
        ((orphans, strangers),) = con.execute(
            f"""
            SELECT count(*) FILTER (record.person_id IS NULL), count(*) FILTER (record.person_id <> cost_id // 1000000)
            FROM made.cost LEFT JOIN made.{table} AS record ON {table}_id = cost_event_id
            WHERE cost_domain_id = '{domain}'
            """
        ).fetchall()
        assert (orphans, strangers) == (0, 0)
    ((rows, keys),) = con.execute("SELECT count(*), count(DISTINCT cost_id) FROM made.cost").fetchall()
    assert rows == keys > SYNTHETIC


def test_a_cost_refers_to_the_period_that_covers_its_day(con: duckdb.DuckDBPyConnection) -> None:
    linked = "SELECT avg(CASE WHEN payer_plan_period_id IS NULL THEN 0 ELSE 1 END) FROM {}.cost"
    of_source, of_made = _of_both(con, linked)
    assert abs(of_source[0] - of_made[0]) < 0.05
    ((wrong,),) = con.execute(
        f"SELECT count(*) {_VISITS.format('made', 'made')} AND payer_plan_period_id IS NOT NULL AND NOT EXISTS ("
        "FROM made.payer_plan_period AS period WHERE period.payer_plan_period_id = cost.payer_plan_period_id "
        "AND period.person_id = visit_occurrence.person_id "
        "AND visit_start_date BETWEEN payer_plan_period_start_date AND payer_plan_period_end_date)"
    ).fetchall()
    assert wrong == 0


def test_no_amount_and_no_code_of_one_person_is_seen(con: duckdb.DuckDBPyConnection, model: pa.Table) -> None:
    of_source, of_made = _of_both(con, "SELECT max(total_charge) FROM {}.cost")
    assert of_source[0] > 7_000_000
    assert of_made[0] < 20_000
    assert not [label for label in model["label"].to_pylist() if label and "ward" in label]
    assert con.execute("SELECT count(revenue_code_source_value) FROM made.cost").fetchall() == [(0,)]


def test_a_person_is_the_same_alone_and_among_many(con: duckdb.DuckDBPyConnection, hospital: Hospital) -> None:
    whole = con.sql("FROM made.cost ORDER BY cost_id").to_arrow_table()
    for numbers in ([7], [3, 900, 1499], list(range(500, 600))):
        alone = tables.render(TABLE, hospital.lives(SEED, np.array(numbers)), hospital)
        own = np.isin(whole["cost_id"].to_numpy() // 1_000_000, numbers)
        assert alone.num_rows > 0
        assert alone.to_pylist() == whole.filter(pa.array(own)).to_pylist()


def test_the_table_is_served_and_written_alike(
    source: duckdb.DuckDBPyConnection, con: duckdb.DuckDBPyConnection, model: pa.Table
) -> None:
    own = source.cursor()
    own.register("m_costs", model)
    own.execute("CREATE OR REPLACE TABLE m_costs_kept AS FROM m_costs")
    served = own.execute(
        f"FROM omopsql.cdm_sample('m_costs_kept', 'cost', persons := 40, seed := {SEED}) ORDER BY cost_id"
    ).fetchall()
    assert served == con.execute("FROM made.cost WHERE cost_id < 41000000 ORDER BY cost_id").fetchall()


def test_no_check_fails_that_the_source_passes(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for schema in ("cdm", "made"):
        made.write_hospital(con, schema, tmp_path / schema)
    with omopsql.connect() as own:
        worse = own.execute(
            f"""
            SELECT made.checkName, made.cdmTableName, made.cdmFieldName
            FROM omopsql.check_cdm({literal(str(tmp_path / "made"))}) AS made
            JOIN omopsql.check_cdm({literal(str(tmp_path / "cdm"))}) AS real USING (checkId)
            WHERE made.failed = 1 AND real.failed = 0 AND lower(made.cdmTableName) IN ('cost', 'payer_plan_period')
            """
        ).fetchall()
    assert worse == []


def test_no_small_cell_is_released_and_each_is_told_in_words(
    source: duckdb.DuckDBPyConnection, model: pa.Table
) -> None:
    found = [row for row in model.to_pylist() if row["statistic"].startswith("costs.")]
    assert {row["statistic"] for row in found} == set(layer.RULES)
    assert all(RULES[row["statistic"]].counts_persons for row in found)
    assert min(row["n"] for row in found) >= 10
    told = described(source.cursor(), Sums.from_table(model, "m"), "m").to_pylist()
    said = [row["words"] for row in told if row["statistic"].startswith("costs.")]
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
        made.add_costs(con, name)
    first = [fit(con.cursor(), name, for_merge=True, margins_only=True)[0] for name in "ab"]
    margins = Sums.merged([*map(_bare, first), Header(600, "5.4", 10, private=True, round=1).sums()])
    second = [fit(con.cursor(), name, for_merge=True, margins=margins)[0] for name in "ba"]
    pooled = fit(con.cursor(), "whole", for_merge=True)[0]
    merged = Sums.merged(map(_bare, second))
    assert merged.to_table().equals(_bare(pooled).to_table())
    merged.drop("counted by")
    assert released(merged, 10).to_table().equals(_bare(fit(con.cursor(), "whole")[0]).to_table())


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
    assert not [name for name in model["statistic"].to_pylist() if name.startswith("costs.")]
    hospital = Hospital(model)
    assert tables.render(TABLE, hospital.lives(1, np.arange(1, 60)), hospital).num_rows == 0


def test_noise_leaves_costs_out(source: duckdb.DuckDBPyConnection) -> None:
    model, _ = fit_with_noise(source.cursor(), "cdm", Protection(50.0, 1e-6, 4))
    assert not [name for name in model["statistic"].to_pylist() if name.startswith(("costs.", "payers."))]


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
