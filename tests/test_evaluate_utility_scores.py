"""What utility is told by: scores, intervals and coefficients are what others compute, or a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from sklearn import metrics as sklearn_metrics
from sklearn.linear_model import LogisticRegression

from omopsql.evaluate.utility import scores
from omopsql.evaluate.utility.intervals import Estimate, difference, distance, resampled, share
from omopsql.evaluate.utility.question import Rows
from omopsql.evaluate.utility.regression import Coefficients, cox, independent, logistic
from omopsql.evaluate.utility.replication import agreement


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
