"""The utility of tables: other real patients pass, and planted faults are found where they were planted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pytest
from named_metrics import told

import omopsql
from omopsql.evaluate.utility.classifiers import LOGISTIC, MODELS

PREDICTORS = "bmi, birth_date, sex, smoking, systolic_bp"


PATIENTS = (  # who comes back: the heavier, and those of higher blood pressure
    "SELECT *, omopsql.philox_uniform({0}, patient_id, 99) < 1 / (1 + exp(0.5 - 0.5 * (bmi - 27) - 0.08 * "
    "(systolic_bp - 125))) AS returned FROM omopsql.example_patients({1}, seed := {0})"
)


@pytest.fixture(scope="module")
def clinic() -> Iterator[duckdb.DuckDBPyConnection]:
    """Real patients and others like them; a bootstrap sample of them; their columns, each shuffled by itself."""
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("SET enable_progress_bar = false")
        for name, seed in (("real", 1), ("fresh", 9), ("holdout", 5)):
            con.execute(f"CREATE TABLE {name} AS {PATIENTS.format(seed, 3000)}")
        con.execute(
            "CREATE TABLE bootstrap AS SELECT real.* FROM range(3000) AS draw (i) JOIN real ON patient_id = "
            "1 + CAST(floor(3000 * omopsql.philox_uniform(7, i, 0)) AS BIGINT)"
        )
        con.execute("CREATE TABLE model AS FROM omopsql.copula_fit('real', method := 'independent')")
        con.execute("CREATE TABLE independent AS FROM omopsql.copula_sample('model', 3000, seed := 1)")
        yield con


def utility(con: duckdb.DuckDBPyConnection, synthetic: str, more: str = "holdout := 'holdout'") -> Any:
    common = f"outcome := 'returned', person := 'patient_id', predictors := '{PREDICTORS}'"
    return told(con, f"utility('real', '{synthetic}', {common}, {more})")


@pytest.mark.parametrize("synthetic", ["fresh", "bootstrap"])
@pytest.mark.parametrize("seed", [0, 1])
def test_other_real_patients_pass(clinic, synthetic, seed):
    found = utility(clinic, synthetic, f"holdout := 'holdout', seed := {seed}")
    for model in MODELS:
        assert found["tstr_auroc", model]["verdict"] == "pass"
        assert found["trts_auroc", model]["verdict"] == "pass"
    assert found["interval_overlap", ""]["verdict"] in ("pass", "look")
    assert found["log_odds_ratio", "bmi"]["verdict"] == "pass"
    assert found["sign_agreement", ""]["value"] == 1.0


@pytest.mark.parametrize("seed", [0, 1])
def test_independent_columns_fail(clinic, seed):
    found = utility(clinic, "independent", f"holdout := 'holdout', seed := {seed}")
    for model in MODELS:
        row = found["trts_auroc", model]
        assert row["verdict"] == "fail"
        assert row["low"] < 0.5 < row["high"] < row["reference"] - 0.3
        assert found["tstr_brier", model]["verdict"] == "fail"
        assert found["tstr_calibration_slope", model]["verdict"] == "fail"
    assert found["log_odds_ratio", "bmi"]["verdict"] == "fail"
    assert found["predictor_overlap", "bmi"]["value"] == 0.0
    assert found["interval_overlap", ""]["verdict"] == "fail"


def test_the_reference_is_the_model_of_real_rows_on_the_same_rows(clinic):
    found = utility(clinic, "fresh")
    for model in MODELS:
        assert found["tstr_auroc", model]["reference"] == found["trtr_auroc", model]["value"]
        assert found["tstr_auroc", model]["n"] == 3000
    without = utility(clinic, "fresh", "seed := 0")
    assert "give a holdout" in without["tstr_auroc", "logistic regression"]["note"]
    assert "cross-fitted" in without["trtr_auroc", "logistic regression"]["note"]


def test_the_same_seed_gives_the_same_numbers(clinic):
    assert utility(clinic, "fresh") == utility(clinic, "fresh")


def test_columns_of_the_outcome_do_not_predict_it(clinic):
    found = told(clinic, "utility('real', 'fresh', 'diabetes AND bmi > 30', person := 'patient_id')")
    first = next(iter(found.values()))
    assert first["note"].endswith("left out of the predictors, for they tell the outcome or the time: bmi, diabetes")
    assert not any("bmi" in subject or "diabetes" in subject for _, subject in found)


def test_rows_of_unknown_outcome_are_left_out_and_told(clinic):
    found = told(clinic, "utility('real', 'fresh', 'hba1c > 6', person := 'patient_id')")
    known = clinic.execute("SELECT count(hba1c), count(*) FROM real").fetchall()[0]
    note = next(iter(found.values()))["note"]
    assert f"real: {known[1] - known[0]:,} of {known[1]:,} rows have no known outcome and were left out" in note


def test_survival_is_replicated_and_found_when_it_is_not(clinic):
    survival = (
        "SELECT person_number AS patient_id, age, sex, least(days, 1000) AS days, days < 1000 AS died FROM (SELECT "
        "i AS person_number, omopsql.philox_uniform({0}, i, 1) AS age, CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END AS "
        "sex, ceil(-900 * ln(omopsql.philox_uniform({0}, i, 2)) * exp({1} * age)) AS days FROM range(800) AS r (i))"
    )
    for name, seed, effect in (("alive", 1, -2.0), ("again", 2, -2.0), ("reversed", 3, 2.0)):
        clinic.execute(f"CREATE OR REPLACE TABLE {name} AS {survival.format(seed, effect)}")
    call = "utility('alive', '{}', 'died', follow_up := 'days', person := 'patient_id')"
    again, other = (told(clinic, call.format(name)) for name in ("again", "reversed"))
    assert again["cox_interval_overlap", ""]["verdict"] == "pass"
    assert again["log_hazard_ratio", "age"]["reference"] == pytest.approx(2.0 * np.sqrt(1 / 12), abs=0.15)
    assert other["log_hazard_ratio", "age"]["verdict"] == "fail"
    assert other["cox_sign_agreement", ""]["value"] == 0.0
    assert other["cox_interval_overlap", ""]["verdict"] != "pass"


def test_cohorts_are_counted_on_both_sides(clinic):
    call = "utility('real', '{}', cohorts := {{'heavy': 'bmi > 30', 'nobody': 'bmi > 500'}}, holdout := 'holdout')"
    found = told(clinic, call.format("fresh"))
    expected = clinic.execute(
        "SELECT (SELECT avg(CAST(bmi > 30 AS INTEGER)) FROM fresh), (SELECT avg(CAST(bmi > 30 AS INTEGER)) FROM real)"
    ).fetchall()[0]
    row = found["cohort_share", "heavy"]
    assert (row["value"], row["reference"]) == pytest.approx(expected)
    assert row["low"] < row["value"] < row["high"]
    assert found["cohort_share_difference", "heavy"]["verdict"] == "pass"
    assert found["cohort_share", "nobody"]["value"] == 0.0
    clinic.execute("CREATE OR REPLACE TABLE lighter AS SELECT * REPLACE (bmi - 5 AS bmi) FROM real")
    found = told(clinic, call.format("lighter"))
    assert found["cohort_share_difference", "heavy"]["verdict"] == "fail"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("utility('real', 'fresh')", "give an outcome"),
        ("utility('real', 'fresh', 'dieed')", "outcome: real has no column 'dieed'; it has patient_id"),
        ("utility('real', 'fresh', 'died AND')", "outcome: 'died AND' cannot be read: syntax error"),
        ("utility('real', 'fresh', 'died; DROP TABLE real')", "cannot be read"),
        ("utility('real', 'fresh', '1) FROM real; SELECT (1')", "does more than read"),
        ("utility('real', 'fresh', 'CAST(sex AS INTEGER) = 1')", "outcome: .* cannot be computed in real: Conversion"),
        ("utility('real', 'fresh', 'died', person := 'id')", "person: real has no column 'id'"),
        ("utility('real', 'fresh', 'died', follow_up := 'stay')", "follow_up: 'stay' is no column of numbers"),
        ("utility('real', 'fresh', 'died', predictors := 'age')", "predictors: 'age' is no column to predict by"),
        ("utility('real', 'fresh', 'died', predictors := 'died')", "predictors: 'died' is no column to predict by"),
        ("utility('real', 'nowhere', 'died')", "nowhere"),
        ("utility('real', 'fresh', cohorts := {'a': 3})", "cohorts: a is 3; give SQL"),
        ("utility('real', 'fresh', cohorts := {'a': 'foo > 1'})", "cohort a: real has no column 'foo'"),
    ],
)
def test_a_mistake_is_told_in_one_line(clinic, call, message):
    with pytest.raises(duckdb.Error, match=message) as failure:
        clinic.execute(f"FROM omopsql.{call}").fetchall()
    assert "Traceback" not in str(failure.value)
    assert clinic.execute("SELECT count(*) FROM real").fetchall() == [(3000,)]


@pytest.mark.parametrize(
    ("synthetic", "outcome", "reason"),
    [
        ("fresh", "bmi > 1000", "real: the outcome has one class; no row has it"),
        ("fresh", "true", "real: the outcome has one class; every row has it"),
        ("ten", "died", "ten: 10 rows are too few; at least 20 are needed"),
        ("healthy", "died", "healthy: the outcome has one class; no row has it"),
    ],
)
def test_what_cannot_be_computed_is_told_and_the_rest_is_computed(clinic, synthetic, outcome, reason):
    clinic.execute("CREATE OR REPLACE TABLE ten AS FROM fresh LIMIT 10")
    clinic.execute("CREATE OR REPLACE TABLE healthy AS FROM fresh WHERE NOT died")
    cohorts = "cohorts := {'heavy': 'bmi > 30'}"
    found = told(clinic, f"utility('real', '{synthetic}', '{outcome}', person := 'patient_id', {cohorts})")
    for model in MODELS:
        assert found["tstr_auroc", model]["value"] is None
        assert found["tstr_auroc", model]["verdict"] == "not computed"
        assert reason in found["tstr_auroc", model]["note"]
        assert (found["trtr_auroc", model]["value"] is None) == reason.startswith("real")
    assert reason in found["interval_overlap", ""]["note"]
    assert found["cohort_share", "heavy"]["value"] is not None


# Real data


def test_heart_failure_keeps_its_use_and_its_hazards(con, data_folder):
    source = data_folder("tabular") / "heart_failure_clinical_records_dataset.csv"
    con.execute(
        f"CREATE TABLE real AS SELECT * REPLACE (TRY_CAST(time AS INTEGER) AS time, TRY_CAST(ejection_fraction AS "
        f"INTEGER) AS ejection_fraction) FROM '{source}' WHERE TRY_CAST(time AS INTEGER) IS NOT NULL"
    )
    for method in ("auto", "independent"):
        con.execute(f"CREATE TABLE {method} AS FROM omopsql.synthesize('real', 600, method := '{method}', seed := 1)")
    kept, lost = (
        told(con, f"utility('real', '{made}', '\"DEATH_EVENT\" = 1', follow_up := 'time')")
        for made in ("auto", "independent")
    )
    assert kept["tstr_auroc", LOGISTIC]["value"] > 0.65
    assert kept["tstr_auroc", LOGISTIC]["verdict"] == "pass"
    assert lost["tstr_auroc", LOGISTIC]["verdict"] == "fail"
    for name in ("age", "serum_creatinine"):  # published risks of death, Chicco and Jurman 2020
        assert kept["log_hazard_ratio", name]["reference"] > 0.1
        assert kept["log_hazard_ratio", name]["value"] > 0.1
    assert lost["cox_interval_overlap", ""]["value"] < kept["cox_interval_overlap", ""]["value"]


def test_tumours_keep_their_use(con, data_folder):
    source = data_folder("tabular") / "wdbc.csv"
    con.execute(f"CREATE TABLE other AS FROM omopsql.synthesize('{source}', 569, seed := 1)")
    found = told(con, f"utility('{source}', 'other', 'target = 1')")
    assert found["trtr_auroc", LOGISTIC]["value"] > 0.97
    assert found["tstr_auroc", LOGISTIC]["verdict"] == "pass"
    assert found["interval_overlap", ""]["value"] is not None
