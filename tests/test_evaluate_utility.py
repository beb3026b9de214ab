"""Utility: scores and coefficients are what others compute, and planted faults are found where they were planted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import optimize
from sklearn import metrics as sklearn_metrics
from sklearn.linear_model import LogisticRegression

import omopsql
from omopsql.evaluate.utility import scores
from omopsql.evaluate.utility.classifiers import MODELS
from omopsql.evaluate.utility.intervals import Estimate, difference, distance, resampled, share
from omopsql.evaluate.utility.question import Rows
from omopsql.evaluate.utility.regression import Coefficients, cox, independent, logistic
from omopsql.evaluate.utility.replication import agreement

PREDICTORS = "bmi, birth_date, sex, smoking, systolic_bp"
PATIENTS = (  # who comes back: the heavier, and those of higher blood pressure
    "SELECT *, omopsql.philox_uniform({0}, patient_id, 99) < 1 / (1 + exp(0.5 - 0.5 * (bmi - 27) - 0.08 * "
    "(systolic_bp - 125))) AS returned FROM omopsql.example_patients({1}, seed := {0})"
)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rows_of(predictors: np.ndarray, outcome: np.ndarray, days: np.ndarray | None = None) -> Rows:
    return Rows("rows", predictors.astype(float), outcome.astype(float), days, outcome.astype(float))


# Scores


@pytest.mark.parametrize("digits", [1, 8])  # many ties, none
def test_scores_are_those_of_scikit_learn_for_any_weights(digits):
    outcome = (random().random(400) < 0.3).astype(float)
    chance = np.clip(np.round(0.3 * outcome + 0.5 * random(1).random(400) + 0.05, digits), 0.01, 0.99)
    weights = resampled(400, seed=3)[:5]
    logit = np.log(chance / (1 - chance))[:, None]
    for row, weight in enumerate(weights):
        told = {"sample_weight": weight}
        expected = sklearn_metrics.roc_auc_score(outcome, chance, **told)
        assert scores.auroc(outcome, chance, weights)[row] == pytest.approx(expected)
        expected = sklearn_metrics.average_precision_score(outcome, chance, **told)
        assert scores.auprc(outcome, chance, weights)[row] == pytest.approx(expected)
        expected = sklearn_metrics.brier_score_loss(outcome, chance, **told)
        assert scores.brier(outcome, chance, weights)[row] == pytest.approx(expected)
        line = LogisticRegression(C=np.inf, tol=1e-10).fit(logit, outcome, weight)
        assert scores.calibration_slope(outcome, chance, weights)[row] == pytest.approx(line.coef_[0, 0], rel=1e-3)


def test_scores_of_one_class_are_unknown():
    one, chance, weights = np.ones(30), random().random(30), resampled(30, 0)
    for score in (scores.auroc, scores.auprc, scores.calibration_slope):
        assert np.isnan(score(one, chance, weights)).all()
    assert np.isnan(Estimate.of(scores.auroc(one, chance, weights)).value)


def test_a_slope_without_bound_is_unknown():
    outcome = np.repeat([0.0, 1.0], 20)
    assert np.isnan(scores.calibration_slope(outcome, 0.2 + 0.6 * outcome, np.ones((1, 40)))).all()


def test_sensitivity_and_calibration_in_the_large():
    outcome, chance = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.2, 0.8, 0.1])
    assert scores.sensitivity(outcome, chance, np.ones((1, 4)))[0] == 0.5
    assert scores.calibration_error(outcome, chance, np.ones((1, 4)))[0] == pytest.approx(0.0)
    assert scores.calibration_error(outcome, chance, np.array([[0.0, 0, 2, 0]]))[0] == pytest.approx(0.8)


def test_the_first_weighting_is_the_rows_themselves_and_the_others_are_resamples():
    weights = resampled(50, seed=1)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 50).all()
    assert not (weights[1] == weights[2]).all()
    assert (weights == resampled(50, seed=1)).all()


# Intervals of shares


def test_intervals_of_shares_are_the_published_ones():
    """Newcombe's own example: 56 of 70 against 48 of 80, and the intervals of its two shares."""
    first, second = share(56, 70), share(48, 80)
    assert (first.low, first.high) == pytest.approx((0.6918, 0.8772), abs=1e-3)
    apart = difference(first, second)
    assert (apart.value, apart.low, apart.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_a_distance_has_no_sign_and_reaches_0_where_the_difference_may_be_0():
    first, second = share(48, 80), share(56, 70)
    for found in (distance(first, second), distance(second, first)):
        assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert distance(share(50, 100), share(51, 100)).low == 0.0


# Coefficients


def test_the_log_odds_ratio_of_a_table_and_its_error_in_closed_form():
    counts = {(1, 1): 30, (1, 0): 20, (0, 1): 15, (0, 0): 60}
    exposed, outcome = (np.concatenate([np.full(n, cell[i]) for cell, n in counts.items()]) for i in (0, 1))
    found = logistic(rows_of(exposed[:, None], outcome))
    assert found is not None
    assert found.values[0] == pytest.approx(np.log(30 * 60 / (20 * 15)))
    assert found.errors[0] == pytest.approx(np.sqrt(1 / 30 + 1 / 20 + 1 / 15 + 1 / 60))


def test_logistic_regression_agrees_with_scikit_learn():
    matrix = random().normal(size=(800, 4))
    outcome = random(1).random(800) < 1 / (1 + np.exp(1 - matrix @ [1.0, 0.0, -0.5, 0.2]))
    found = logistic(rows_of(matrix, outcome))
    assert found is not None
    assert found.values == pytest.approx(
        LogisticRegression(C=np.inf, tol=1e-10).fit(matrix, outcome).coef_[0], abs=1e-4
    )


def test_coefficients_without_bound_are_none_and_a_weak_prior_bounds_them():
    matrix = np.linspace(-1, 1, 40)[:, None]
    parted = rows_of(matrix, matrix[:, 0] > 0)
    assert logistic(parted) is None
    bounded = logistic(parted, prior=1.0)
    assert bounded is not None
    assert 1 < bounded.values[0] < 20


def efron_likelihood(slopes: np.ndarray, rows: Rows) -> float:
    """Efron's partial likelihood, term by term as it is defined."""
    assert rows.days is not None
    line, total = rows.predictors @ slopes, 0.0
    for day in np.unique(rows.days[rows.outcome > 0]):
        dying = (rows.days == day) & (rows.outcome > 0)
        at_risk = np.exp(line[rows.days >= day]).sum()
        deaths = int(dying.sum())
        total += line[dying].sum()
        total -= sum(np.log(at_risk - k / deaths * np.exp(line[dying]).sum()) for k in range(deaths))
    return float(total)


@pytest.mark.parametrize("ties", [1.0, 10.0])
def test_cox_coefficients_are_at_the_maximum_of_efrons_likelihood(ties):
    matrix = random(2).normal(size=(120, 2))
    days = np.ceil(random(3).exponential(np.exp(-matrix @ [0.8, -0.4])) * 30 / ties) * ties
    rows = rows_of(matrix, random(4).random(120) < 0.7, days)
    found = cox(rows)
    best = optimize.minimize(lambda slopes: -efron_likelihood(slopes, rows), np.zeros(2), tol=1e-8)
    assert found is not None
    assert found.values == pytest.approx(best.x, abs=1e-4)
    curvature = optimize.approx_fprime(
        best.x, lambda s: optimize.approx_fprime(s, lambda t: -efron_likelihood(t, rows), 1e-4)[0], 1e-4
    )
    assert (1 / found.errors**2)[0] == pytest.approx(curvature[0], rel=0.1)


def test_the_hazard_ratio_of_two_groups_in_closed_form():
    """The exposed die on days 1 and 3, of the others one on day 2: expected deaths of exposed must be the two found."""
    found = cox(rows_of(np.array([[1.0], [0], [1], [0]]), np.array([1.0, 1, 1, 0]), np.array([1.0, 2, 3, 4])))
    assert found is not None
    hazard = float(np.exp(found.values[0]))
    assert 2 * hazard / (2 * hazard + 2) + hazard / (hazard + 2) + hazard / (hazard + 1) == pytest.approx(2.0)


def test_cox_agrees_with_lifelines():
    lifelines = pytest.importorskip("lifelines")
    import pandas as pd

    matrix = random(5).normal(size=(300, 3))
    days = np.ceil(random(6).exponential(np.exp(-matrix @ [0.5, 0.0, -0.3])) * 20)
    died = (random(7).random(300) < 0.6).astype(float)
    found = cox(rows_of(matrix, died, days))
    frame = pd.DataFrame({"a": matrix[:, 0], "b": matrix[:, 1], "c": matrix[:, 2], "days": days, "died": died})
    fitted = lifelines.CoxPHFitter().fit(frame, "days", "died")
    assert found is not None
    assert found.values == pytest.approx(fitted.params_.to_numpy(), abs=1e-4)
    assert found.errors == pytest.approx(fitted.standard_errors_.to_numpy(), rel=1e-3)


def test_predictors_that_earlier_ones_determine_are_found():
    first, second = random().normal(size=(2, 100))
    matrix = np.column_stack([first, np.ones(100), second, first - 2 * second])
    assert independent(matrix).tolist() == [True, False, True, False]


def coefficients(value: float, error: float) -> Coefficients:
    return Coefficients(np.array([value]), np.array([error]))


@pytest.mark.parametrize(
    ("second", "overlap"),
    [((0.0, 1.0), 1.0), ((10.0, 1.0), 0.0), ((1.959964, 1.0), 0.5), ((0.0, 0.5), 0.75)],
)
def test_overlap_of_intervals(second, overlap):
    assert agreement(coefficients(0.0, 1.0), coefficients(*second)).overlaps[0] == pytest.approx(overlap, abs=1e-6)


def test_agreement_of_signs_and_significance():
    first = Coefficients(np.array([2.0, 2.0, 0.1, -2.0]), np.full(4, 0.5))
    second = Coefficients(np.array([2.0, -2.0, -0.1, -0.2]), np.full(4, 0.5))
    found = agreement(first, second)
    assert found.signs.tolist() == [True, False, False, True]
    assert found.claims.tolist() == [True, False, True, False]  # clear on both, of other signs, on neither, on one


# The SQL function, on tables


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


def told(con: duckdb.DuckDBPyConnection, call: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of a call by metric and subject."""
    rows = con.sql(f"FROM omopsql.{call}").to_arrow_table().to_pylist()
    return {(row["metric"], row["subject"]): row for row in rows}


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


# Whole CDMs


def hospital(con: duckdb.DuckDBPyConnection, schema: str, seed: int, treated: str = "sick") -> None:
    """600 persons: disease 10 follows long after disease 20; drug 30 is given after disease 10, to ``treated``."""
    con.execute(f"CREATE SCHEMA {schema}")
    con.execute(
        f"""
        CREATE TABLE {schema}.story AS
        SELECT
            i AS person_id,
            i % 2 = 0 AS is_male,
            omopsql.philox_uniform({seed}, i, 1) < 0.4 AS exposed,
            omopsql.philox_uniform({seed}, i, 2) < CASE WHEN exposed THEN 0.6 ELSE 0.15 END AS sick,
            {"sick" if treated == "sick" else f"omopsql.philox_uniform({seed}, i, 3) < 0.3"} AS treated,
            DATE '2010-01-01' + CAST(floor(300 * omopsql.philox_uniform({seed}, i, 4)) AS INTEGER) AS began,
            CASE WHEN omopsql.philox_uniform({seed}, i, 5) < CASE WHEN exposed THEN 0.5 ELSE 0.2 END
                THEN began + CAST(ceil(1500 * omopsql.philox_uniform({seed}, i, 6)) AS INTEGER) + 1500 END AS death_date
        FROM range(1, 601) AS r (i)
        """
    )
    tables = {
        "person": "SELECT person_id, CASE WHEN is_male THEN 8507 ELSE 8532 END AS gender_concept_id, "
        "1940 + person_id % 50 AS year_of_birth, 0 AS race_concept_id, 0 AS ethnicity_concept_id FROM story",
        "observation_period": "SELECT person_id AS observation_period_id, person_id, began AS "
        "observation_period_start_date, began + 3000 AS observation_period_end_date FROM story",
        "death": "SELECT person_id, death_date FROM story WHERE death_date IS NOT NULL",
        "condition_occurrence": "SELECT person_id, 20 AS condition_concept_id, began + 100 AS condition_start_date "
        "FROM story WHERE exposed UNION ALL SELECT person_id, 10, began + 1000 FROM story WHERE sick",
        "drug_exposure": "SELECT person_id, 30 AS drug_concept_id, began + 1010 AS drug_exposure_start_date "
        "FROM story WHERE treated",
    }
    for name, sql in tables.items():
        con.execute(f"CREATE TABLE {schema}.{name} AS {sql.replace('FROM story', f'FROM {schema}.story')}")


@pytest.fixture(scope="module")
def hospitals() -> Iterator[duckdb.DuckDBPyConnection]:
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("SET enable_progress_bar = false")
        hospital(con, "first", 1)
        hospital(con, "second", 2)
        hospital(con, "third", 3)
        hospital(con, "careless", 4, treated="anyone")
        yield con


EVER = "SELECT person_id FROM condition_occurrence WHERE condition_concept_id = 10"
DATED = f"{EVER.replace('person_id', 'person_id, condition_start_date AS index_date')}"
MODEL = "logistic regression"


def of_cdms(con: duckdb.DuckDBPyConnection, synthetic: str, outcome: str, more: str = "holdout := 'third'") -> Any:
    return told(con, f"utility('first', '{synthetic}', '{outcome}', {more})")


def test_the_outcome_of_a_cdm_is_a_query_and_its_concept_predicts_nothing(hospitals):
    found = of_cdms(hospitals, "second", EVER)
    assert found["tstr_auroc", MODEL]["value"] > 0.95  # the drug gives it away
    assert found["tstr_auroc", MODEL]["verdict"] == "pass"
    assert ("log_odds_ratio", "drug_exposure 30") in found
    assert not any(subject == "condition_occurrence 10" for _, subject in found)
    assert "the 1 concepts that the outcome names predict nothing" in next(iter(found.values()))["note"]


def test_before_an_index_date_nothing_of_the_future_is_known(hospitals):
    found = of_cdms(hospitals, "second", DATED)
    assert 0.6 < found["trtr_auroc", MODEL]["value"] < 0.85  # the exposure only
    assert found["log_odds_ratio", "condition_occurrence 20"]["value"] == pytest.approx(
        np.log(0.6 / 0.4 / 0.15 * 0.85), abs=0.7
    )
    assert not any(subject == "drug_exposure 30" for _, subject in found)


def test_a_treatment_without_its_disease_is_found(hospitals):
    found = of_cdms(hospitals, "careless", EVER)
    assert found["tstr_auroc", MODEL]["verdict"] == "fail"
    assert found["log_odds_ratio", "drug_exposure 30"]["verdict"] == "fail"


def test_a_query_may_name_all_persons_of_the_question(hospitals):
    women = (
        "SELECT person_id, person_id IN (SELECT person_id FROM condition_occurrence WHERE condition_concept_id = 10) "
        "AS outcome FROM person WHERE gender_concept_id = 8532"
    )
    found = of_cdms(hospitals, "second", women)
    assert found["tstr_auroc", MODEL]["n"] == 300


def test_survival_of_a_cdm_is_replicated(hospitals):
    found = of_cdms(hospitals, "second", EVER)
    assert found["cox_interval_overlap", ""]["verdict"] == "pass"
    assert found["log_hazard_ratio", "condition_occurrence 20"]["value"] > 0.5


def test_cohorts_of_a_cdm_count_persons(hospitals):
    cohorts = (
        "cohorts := {'exposed': 'SELECT person_id FROM condition_occurrence WHERE condition_concept_id = 20', "
        "'twice': 'SELECT person_id FROM person UNION ALL SELECT person_id FROM person'}"
    )
    found = told(hospitals, f"utility('first', 'second', {cohorts})")
    expected = hospitals.execute("SELECT avg(CAST(exposed AS INTEGER)) FROM second.story").fetchall()[0][0]
    assert found["cohort_share", "exposed"]["value"] == pytest.approx(expected)
    assert found["cohort_share", "twice"]["value"] == 1.0


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ("SELECT 1 AS x", "outcome: it returns x; it must return person_id"),
        ("SELECT person_id FROM nowhere", "outcome: it cannot run on first: .*nowhere"),
        ("died", "outcome: 'died' is no query; give one SELECT"),
        ("SELECT person_id FROM person; DROP TABLE first.person", "outcome: .* does more than read|cannot be read"),
        ("DELETE FROM first.person", "outcome: .* is no query"),
    ],
)
def test_a_mistake_in_a_query_is_told_in_one_line(hospitals, outcome, message):
    with pytest.raises(duckdb.Error, match=message):
        of_cdms(hospitals, "second", outcome)
    assert hospitals.execute("SELECT count(*) FROM first.person").fetchall() == [(600,)]


def test_a_cdm_and_a_table_are_not_compared(hospitals):
    with pytest.raises(duckdb.Error, match="is a CDM"):
        hospitals.execute("FROM omopsql.utility('first', 'first.story', 'sick')")


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
    assert kept["tstr_auroc", MODEL]["value"] > 0.65
    assert kept["tstr_auroc", MODEL]["verdict"] == "pass"
    assert lost["tstr_auroc", MODEL]["verdict"] == "fail"
    for name in ("age", "serum_creatinine"):  # published risks of death, Chicco and Jurman 2020
        assert kept["log_hazard_ratio", name]["reference"] > 0.1
        assert kept["log_hazard_ratio", name]["value"] > 0.1
    assert lost["cox_interval_overlap", ""]["value"] < kept["cox_interval_overlap", ""]["value"]


def test_tumours_keep_their_use(con, data_folder):
    source = data_folder("tabular") / "wdbc.csv"
    con.execute(f"CREATE TABLE other AS FROM omopsql.synthesize('{source}', 569, seed := 1)")
    found = told(con, f"utility('{source}', 'other', 'target = 1')")
    assert found["trtr_auroc", MODEL]["value"] > 0.97
    assert found["tstr_auroc", MODEL]["verdict"] == "pass"
    assert found["interval_overlap", ""]["value"] is not None
