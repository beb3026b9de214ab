"""Coefficients as an analyst would publish them: logistic and Cox regression by Newton's method, without penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omopsql.evaluate.sides import Doubles
from omopsql.udfs.cox import partial_likelihood

from .intervals import NORMAL
from .question import Rows

_STEPS = 40
_HALVINGS = 20
_NEAR = 1e-8  # a step that gains no more has arrived
_MOST_ERROR = 50.0  # of a coefficient; beyond it, the rows do not determine it
_DEPENDENT = 1e-6  # share of a predictor's spread that the ones before it leave

Bools = npt.NDArray[np.bool_]
# Log likelihood, gradient (d) and information (d, d) at coefficients (d).
Likelihood = Callable[[Doubles], tuple[float, Doubles, Doubles]]


@dataclass(frozen=True)
class Coefficients:
    """Coefficients (d) of the predictors and their standard errors (d)."""

    values: Doubles
    errors: Doubles

    @property
    def low(self) -> Doubles:
        """Lower bounds of the 95 % intervals."""
        return np.asarray(self.values - NORMAL * self.errors)

    @property
    def high(self) -> Doubles:
        """Upper bounds of the 95 % intervals."""
        return np.asarray(self.values + NORMAL * self.errors)

    @property
    def is_significant(self) -> Bools:
        """Whether each interval excludes 0."""
        return np.asarray((self.low > 0) | (self.high < 0))


# Coefficients of some rows, given the weight of the prior (0: none); None where the likelihood has no maximum.
Regression = Callable[[Rows, float], Coefficients | None]


def logistic(rows: Rows, prior: float = 0.0) -> Coefficients | None:
    """Return the log odds ratios of the outcome; None where the likelihood has no maximum.

    With ``prior`` 1 it has one: each coefficient then has the weak prior log-F(1, 1) of S. Greenland and M. A.
    Mansournia, Statistics in Medicine 34 (2015) 3133-3143.
    """
    widened = np.column_stack([rows.predictors, np.ones(len(rows))])
    outcome = rows.outcome

    def likelihood(slopes: Doubles) -> tuple[float, Doubles, Doubles]:
        line = widened @ slopes
        fitted = 1 / (1 + np.exp(-line))
        information = (widened * (fitted * (1 - fitted))[:, None]).T @ widened
        return float(outcome @ line - np.logaddexp(0, line).sum()), widened.T @ (outcome - fitted), information

    found = _maximum(likelihood, np.append(np.full(rows.predictors.shape[1], prior), 0.0))
    return None if found is None else Coefficients(found.values[:-1], found.errors[:-1])


def cox(rows: Rows, prior: float = 0.0) -> Coefficients | None:
    """Return the log hazard ratios of the event, as ``logistic`` does those of the outcome."""
    if rows.days is None or rows.is_event is None:
        return None
    order = np.argsort(rows.days, kind="stable")
    days, is_event = rows.days[order], rows.is_event[order] > 0
    centred = np.ascontiguousarray((rows.predictors - rows.predictors.mean(axis=0))[order])
    return _maximum(
        lambda slopes: partial_likelihood(days, is_event, centred, slopes), np.full(centred.shape[1], prior)
    )


def _with_prior(likelihood: Likelihood, prior: Doubles) -> Likelihood:
    """Add to a log likelihood that of the prior: half a success and half a failure for each coefficient."""

    def weighed(slopes: Doubles) -> tuple[float, Doubles, Doubles]:
        height, gradient, information = likelihood(slopes)
        fitted = 1 / (1 + np.exp(-slopes))
        height += float(prior @ (slopes / 2 - np.logaddexp(0, slopes)))
        return height, gradient + prior * (0.5 - fitted), information + np.diag(prior * fitted * (1 - fitted))

    return weighed


def _maximum(likelihood: Likelihood, prior: Doubles) -> Coefficients | None:
    """Climb from 0 by Newton's method, each step halved until it gains."""
    likelihood = _with_prior(likelihood, prior)
    slopes = np.zeros(len(prior))
    height, gradient, information = likelihood(slopes)
    for _ in range(_STEPS):
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        for _ in range(_HALVINGS):
            with np.errstate(over="ignore", invalid="ignore"):
                reached = likelihood(slopes + step)
            if reached[0] >= height - _NEAR:
                break
            step = step / 2
        gained = reached[0] - height
        slopes = slopes + step
        height, gradient, information = reached
        if abs(gained) < _NEAR:
            return _certain(slopes, information)
    return None


def _certain(slopes: Doubles, information: Doubles) -> Coefficients | None:
    try:
        errors = np.sqrt(np.diag(np.linalg.inv(information)))
    except np.linalg.LinAlgError:
        return None
    return Coefficients(slopes, errors) if np.isfinite(errors).all() and errors.max() < _MOST_ERROR else None


def independent(matrix: Doubles) -> Bools:
    """Tell which columns (d) no earlier ones determine; a constant is determined."""
    centred = matrix - matrix.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    if len(matrix) <= matrix.shape[1]:
        return np.zeros(matrix.shape[1], bool)
    left = np.abs(np.diag(np.linalg.qr(centred, mode="r")))
    return np.asarray((spread > 1e-9) & (left > _DEPENDENT * spread))
