"""Fairness: a subgroup that was ruined is found, and rebalancing does what it says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import duckdb
import hospital_cdm
import numpy as np
import pytest
from named_metrics import told

import omopsql
from omopsql.evaluate.fairness.service import gap

PATIENTS = (
    "SELECT *, omopsql.philox_uniform({0}, patient_id, 99) < 1 / (1 + exp(0.5 - 0.5 * (bmi - 27))) AS returned "
    "FROM omopsql.example_patients(4000, seed := {0})"
)
METHODS = ("copula", "tree", "independent")


@pytest.fixture(scope="module")
def clinic() -> Iterator[duckdb.DuckDBPyConnection]:
    """Patients, others, and others whose women come back without a reason, are heavier, or are fewer."""
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("SET enable_progress_bar = false")
        for name, seed in (("real", 1), ("fresh", 9), ("holdout", 5)):
            con.execute(f"CREATE TABLE {name} AS {PATIENTS.format(seed)}")
        con.execute(
            "CREATE TABLE unjust AS SELECT * REPLACE (CASE WHEN sex = 'F' THEN patient_id % 5 < 2 ELSE returned END "
            "AS returned) FROM fresh"
        )
        con.execute(
            "CREATE TABLE heavier AS SELECT * REPLACE (bmi + CASE sex WHEN 'F' THEN 10 ELSE 0 END AS bmi) FROM fresh"
        )
        con.execute("CREATE TABLE fewer AS FROM fresh WHERE sex = 'M' OR patient_id % 4 = 0")
        for method in METHODS:
            con.execute(f"CREATE TABLE {method} AS FROM omopsql.copula_fit('real', method := '{method}')")
        yield con


def by_sex(con: duckdb.DuckDBPyConnection, synthetic: str, more: str = "holdout := 'holdout'") -> Any:
    common = "'sex', outcome := 'returned', person := 'patient_id', predictors := 'bmi, sex, birth_date'"
    return told(con, f"fairness('real', '{synthetic}', {common}, {more})")


@pytest.mark.parametrize("seed", [0, 1])
def test_other_real_patients_are_fair(clinic, seed):
    found = by_sex(clinic, "fresh", f"holdout := 'holdout', seed := {seed}")
    assert {row["verdict"] for row in found.values()} == {"pass"}
    for sex in "FM":
        share = found["group_share", f"sex = {sex}"]
        assert share["low"] < share["value"] < share["high"]
        assert found["group_auroc", f"sex = {sex}"]["low"] < found["group_auroc", f"sex = {sex}"]["reference"]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("more", ["holdout := 'holdout'", "holdout := NULL"])
def test_a_subgroup_that_models_serve_badly_is_found(clinic, seed, more):
    found = by_sex(clinic, "unjust", f"{more}, seed := {seed}")
    assert found["group_auroc", "sex = F"]["verdict"] == "fail"
    assert found["group_auroc", "sex = M"]["verdict"] == "pass"
    gap_of_models = found["auroc_gap", "sex"]
    assert gap_of_models["verdict"] == "fail"
    assert gap_of_models["low"] > gap_of_models["reference"]


def test_a_subgroup_whose_columns_are_wrong_is_found(clinic):
    found = by_sex(clinic, "heavier")
    assert found["group_total_variation", "sex = F"]["verdict"] == "fail"
    assert found["group_total_variation", "sex = M"]["verdict"] == "pass"
    assert found["group_fidelity_gap", "sex"]["verdict"] == "fail"
    assert found["group_fidelity_gap", "sex"]["note"].endswith("sex = F")


def test_a_subgroup_that_is_too_small_a_part_is_found(clinic):
    found = told(clinic, "fairness('real', 'fewer', 'sex', person := 'patient_id')")
    assert found["group_share", "sex = F"]["verdict"] == "fail"
    expected = clinic.execute("SELECT avg(CAST(sex = 'F' AS INTEGER)) FROM fewer").fetchall()[0][0]
    assert found["group_share", "sex = F"]["value"] == pytest.approx(expected)
    assert found["group_total_variation", "sex = F"]["verdict"] == "pass"


def test_three_patients_are_no_subgroup_to_judge_by(clinic):
    clinic.execute(
        "CREATE OR REPLACE TABLE rare AS SELECT *, CASE WHEN patient_id <= 3 THEN 'X' ELSE sex END AS kind FROM real"
    )
    call = "fairness('rare', 'rare', 'kind', outcome := 'returned', person := 'patient_id')"
    found = told(clinic, call)
    for metric in ("group_total_variation", "group_auroc", "group_tpr", "group_calibration"):
        row = found[metric, "kind = X"]
        assert (row["value"], row["verdict"]) == (None, "not computed")
        assert "3 rows" in row["note"] or "too few" in row["note"]
        assert found[metric, "kind = M"]["value"] is not None
    assert found["auroc_gap", "kind"]["value"] is not None
    assert found["group_share", "kind = X"]["n"] == 3


def test_numbers_are_divided_into_quarters(clinic):
    found = told(clinic, "fairness('real', 'fresh', 'bmi', person := 'patient_id')")
    shares = [row["reference"] for (metric, _), row in found.items() if metric == "group_share"]
    assert shares == pytest.approx([0.25] * 4, abs=0.02)


def test_missing_values_are_a_subgroup(clinic):
    found = told(clinic, "fairness('real', 'fresh', 'smoking', person := 'patient_id')")
    expected = clinic.execute("SELECT avg(CAST(smoking IS NULL AS INTEGER)) FROM real").fetchall()[0][0]
    assert found["group_share", "smoking is missing"]["reference"] == pytest.approx(expected)


def test_a_gap_is_between_the_subgroups_that_have_a_score():
    draws = np.array([[0.9, 0.8], [0.6, 0.7], [np.nan, np.nan]])
    assert gap(draws) == pytest.approx([0.3, 0.1])
    assert np.isnan(gap(draws[1:])).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("fairness('real', 'fresh', 'age')", "by: 'age' is no column that all tables have; those are patient_id"),
        ("fairness('real', 'fresh', 'sex', outcome := 'dieed')", "outcome: real has no column 'dieed'"),
        ("rebalance_effect('copula', 'real', 'returned', 'age')", "by: 'age' is no column that all tables have"),
        (
            "rebalance_effect('copula', 'real', 'returned', 'sex', shares := {'sex': {'X': 1}})",
            "shares: the model never",
        ),
        ("rebalance_effect('real', 'real', 'returned', 'sex')", "real is no model"),
        ("rebalance_effect('copula', 'real', 'returned', 'sex', rows := 0)", "rows is 0; give at least 1"),
    ],
)
def test_a_mistake_is_told_in_one_line(clinic, call, message):
    with pytest.raises(duckdb.Error, match=message):
        clinic.execute(f"FROM omopsql.{call}").fetchall()


def test_an_outcome_of_one_class_leaves_shares_and_fidelity(clinic):
    found = told(clinic, "fairness('real', 'fresh', 'sex', outcome := 'bmi > 500')")
    assert found["group_auroc", "sex = F"]["note"] == "real: the outcome has one class; no row has it"
    assert found["auroc_gap", "sex"]["verdict"] == "not computed"
    assert found["group_share", "sex = F"]["verdict"] == "pass"


# Target shares


def shares_of(
    con: duckdb.DuckDBPyConnection, model: str, shares: str, column: str, rows: int = 4000
) -> dict[Any, float]:
    sampled = f"omopsql.copula_sample('{model}', {rows}, seed := 3, shares := {shares})"
    return dict(con.execute(f"SELECT {column}, count(*) / {rows} FROM {sampled} GROUP BY 1").fetchall())


@pytest.mark.parametrize("method", METHODS)
def test_shares_are_reached(clinic, method):
    assert shares_of(clinic, method, "{'sex': {'F': 0.1, 'M': 0.9}}", "sex")["F"] == pytest.approx(0.1, abs=0.02)
    found = shares_of(clinic, method, "{'smoking': {'current': 0.7}}", "smoking")
    assert found["current"] == pytest.approx(0.7, abs=0.03)
    plain = dict(clinic.execute("SELECT smoking, count(*) FROM real GROUP BY 1").fetchall())
    assert found["never"] / found["former"] == pytest.approx(plain["never"] / plain["former"], rel=0.15)


@pytest.mark.parametrize("method", METHODS)
def test_shares_of_two_columns_are_reached_together(clinic, method):
    both = shares_of(clinic, method, "{'sex': {'F': 0.5, 'M': 0.5}, 'died': {'true': 0.5}}", "(sex, died)")
    assert sorted(both.values()) == pytest.approx([0.25] * 4, abs=0.03)


def test_a_row_of_a_share_is_a_row_of_such_persons(clinic):
    """What follows from a value follows as in a sample where all have it: the returned are heavier, women and men."""
    mean = "SELECT avg(bmi) FILTER (WHERE returned) - avg(bmi) FILTER (WHERE NOT returned) FROM {} WHERE sex = 'F'"
    balanced = "omopsql.copula_sample('copula', 8000, seed := 3, shares := {'sex': {'F': 0.5, 'M': 0.5}})"
    given = "omopsql.copula_sample('copula', 4000, seed := 3, given := {'sex': 'F'})"
    found, expected = (clinic.execute(mean.format(source)).fetchall()[0][0] for source in (balanced, given))
    assert found == pytest.approx(expected, abs=0.4)
    assert found > 2


@pytest.mark.parametrize("method", METHODS)
def test_a_row_is_the_same_however_many_there_are(clinic, method):
    call = "FROM omopsql.copula_sample('{}', {}, seed := 4, shares := {{'sex': {{'F': 0.3}}, 'died': {{'true': 0.5}}}})"
    few, many = (clinic.execute(call.format(method, rows)).fetchall() for rows in (2500, 6000))
    assert few == many[:2500]


def test_shares_and_given_values_go_together(clinic):
    sampled = "omopsql.copula_sample('copula', 2000, given := {'died': true}, shares := {'sex': {'F': 0.2, 'M': 0.8}})"
    assert clinic.execute(f"SELECT count(*) FROM {sampled} WHERE died").fetchall() == [(2000,)]
    share = clinic.execute(f"SELECT avg(CAST(sex = 'F' AS INTEGER)) FROM {sampled}").fetchall()[0][0]
    assert share == pytest.approx(0.2, abs=0.03)


def test_synthesize_takes_shares(clinic):
    sampled = "omopsql.synthesize('real', 2000, method := 'independent', shares := {'sex': {'F': 0.2, 'M': 0.8}})"
    share = clinic.execute(f"SELECT avg(CAST(sex = 'F' AS INTEGER)) FROM {sampled}").fetchall()[0][0]
    assert share == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ("{'sex': {'X': 0.1}}", "shares: the model never saw 'X' in column 'sex'; it holds"),
        ("{'sx': {'F': 0.1}}", "shares: the model has no column 'sx'"),
        ("{'sex': {'F': 0.7, 'M': 0.6}}", "shares: those of sex sum to 1.3"),
        ("{'sex': {'F': 0.5, 'M': 0.2}}", "shares: those of sex name all its values, and 0.3 is left"),
        ("{'sex': {'F': 0.0}}", "shares: sex has the share 0"),
        ("{'sex': 0.5}", "shares: sex is 0.5; give a share for each value"),
        ("{'patient_id': {'1': 0.5}}", "shares: column 'patient_id' is"),
        ("{'systolic_bp': {'120': 0.5}, 'icd10': {'I10': 0.5}}", "combinations of values|stands for a range"),
    ],
)
def test_shares_that_are_no_shares_are_told(clinic, shares, message):
    with pytest.raises(duckdb.Error, match=message):
        clinic.execute(f"FROM omopsql.copula_sample('copula', 10, shares := {shares})").fetchall()


def test_a_column_is_given_or_shared(clinic):
    with pytest.raises(duckdb.Error, match="shares: sex is given already"):
        clinic.execute(
            "FROM omopsql.copula_sample('copula', 10, given := {'sex': 'F'}, shares := {'sex': {'F': 0.5}})"
        ).fetchall()


# The effect of rebalancing


def test_rebalancing_serves_a_rare_subgroup(con):
    """One patient in twenty is of kind B, who has stages of her own: too few for a model to learn their risk."""
    con.execute(
        """
        CREATE TABLE mixed AS
        SELECT
            CASE WHEN i % 20 = 0 THEN 'B' ELSE 'A' END AS kind,
            CAST(floor(5 * omopsql.philox_uniform(2, i, 1)) AS INTEGER) AS step,
            lower(kind) || step AS stage,
            omopsql.philox_uniform(2, i, 2) < 0.1 + 0.2 * CASE WHEN kind = 'B' THEN step ELSE 4 - step END AS sick
        FROM range(6000) AS r (i)
        """
    )
    con.execute("CREATE TABLE m AS FROM omopsql.copula_fit('mixed', columns := {'step': 'skip'})")
    found = told(con, "rebalance_effect('m', 'mixed', 'sick', 'kind', predictors := 'stage', rows := 400)")
    assert found["share_before", "kind = B"]["value"] == pytest.approx(0.05, abs=0.03)
    assert found["share_after", "kind = B"]["value"] == pytest.approx(0.5, abs=0.07)
    assert found["auroc_change", "kind = B"]["low"] > 0.1
    assert found["auroc_change", "kind = A"]["verdict"] != "fail"
    before, after = (found[f"auroc_{when}", "kind = B"] for when in ("before", "after"))
    assert found["auroc_change", "kind = B"]["value"] == pytest.approx(after["value"] - before["value"])
    assert after["value"] == pytest.approx(after["reference"], abs=0.1)


# Whole CDMs


@pytest.fixture(scope="module")
def hospital() -> Iterator[duckdb.DuckDBPyConnection]:
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("SET enable_progress_bar = false")
        hospital_cdm.make_hospital(con, "cdm", persons=300)
        con.execute("CREATE TABLE hospital_model AS FROM omopsql.cdm_fit('cdm')")
        yield con


DEAD = "SELECT person_id FROM death"


@pytest.mark.parametrize(
    ("by", "subjects"),
    [
        ("gender_concept_id", {"female", "male"}),
        ("race_concept_id", {"race 8516", "race 8527"}),
        ("age", {"age below 18", "age 18 to below 45", "age 45 to below 65", "age from 65"}),
    ],
)
def test_persons_of_a_cdm_are_divided(hospital, by, subjects):
    found = told(hospital, f"fairness('cdm', 'cdm', '{by}')")
    shares = {subject: row for (metric, subject), row in found.items() if metric == "group_share"}
    assert set(shares) == subjects
    assert sum(row["value"] for row in shares.values()) == pytest.approx(1.0)
    assert {row["table_name"] for row in shares.values()} == {"person"}


def test_a_cdm_is_not_divided_by_anything_else(hospital):
    with pytest.raises(duckdb.Error, match="by: persons of a CDM are divided by gender_concept_id"):
        hospital.execute("FROM omopsql.fairness('cdm', 'cdm', 'bmi')").fetchall()


def test_models_serve_subgroups_of_a_cdm(hospital):
    found = told(hospital, f"fairness('cdm', 'cdm', 'gender_concept_id', outcome := '{DEAD}')")
    assert found["group_auroc", "female"]["value"] is not None
    assert found["group_auroc", "male"]["value"] is None  # no man dies in this hospital
    assert found["auroc_gap", "sex"]["verdict"] == "not computed"


def test_a_hospital_is_rebalanced(hospital):
    shares = "shares := {'gender_concept_id': {'8532': 0.8, '8507': 0.2}}"
    call = f"rebalance_effect('hospital_model', 'cdm', '{DEAD}', 'gender_concept_id', {shares})"
    found = told(hospital, call)
    assert found["share_before", "female"]["value"] == pytest.approx(0.5, abs=0.12)
    assert found["share_after", "female"]["value"] == pytest.approx(0.8, abs=0.08)


def test_a_model_of_a_table_does_not_rebalance_a_hospital(hospital):
    hospital.execute("CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('cdm.person')")
    with pytest.raises(duckdb.Error, match="m is a model of a table, and cdm is a CDM"):
        hospital.execute(f"FROM omopsql.rebalance_effect('m', 'cdm', '{DEAD}', 'gender_concept_id')").fetchall()
