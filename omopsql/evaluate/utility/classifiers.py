"""The two models that learn an outcome, and the chances that they give to rows they were not fitted on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from omopsql.evaluate.sides import Doubles

from .question import Rows

BOOSTING, LOGISTIC = "gradient boosting", "logistic regression"
MOST_ROWS = 20_000  # that a model is fitted on
_FOLDS = 5


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier  # here, since it is slow to import

    return HistGradientBoostingClassifier(
        max_iter=100,
        learning_rate=0.08,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, max_iter=500)


MODELS: dict[str, Callable[[int], Any]] = {BOOSTING: _boosting, LOGISTIC: _logistic}


def chances(model: str, learned: Rows, judged: Rows, seed: int) -> Doubles:
    """Fit a model on at most 20,000 rows and return the chance that it gives to each judged row (n)."""
    from sklearn.exceptions import ConvergenceWarning

    rows = learned.drawn(MOST_ROWS, seed)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = MODELS[model](seed).fit(rows.predictors, rows.outcome)
        return np.asarray(fitted.predict_proba(judged.predictors)[:, 1])


def cross_fitted(model: str, rows: Rows, seed: int) -> Doubles:
    """Return the chance of each row (n) under a model that was fitted on the other folds."""
    from sklearn.model_selection import StratifiedKFold

    found = np.empty(len(rows))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    for others, fold in folds.split(rows.predictors, rows.outcome):
        found[fold] = chances(model, rows.taken(others), rows.taken(fold), seed)
    return found


def real_chances(model: str, real: Rows, judged: Rows, seed: int) -> Doubles:
    """Return the chances that a model of the real rows gives to judged rows: cross-fitted where they are the same."""
    return cross_fitted(model, real, seed) if judged is real else chances(model, real, judged, seed)
