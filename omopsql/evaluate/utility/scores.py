"""How well chances foretell an outcome, for many weightings of the same rows at once.

``outcome`` (n) is 0 or 1, ``chance`` (n) what a model foretells, ``weights`` (b, n) how often each row counts; the
answer has shape (b), NaN where a weighting leaves one class only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from omopsql.evaluate.sides import Doubles

_STEPS = 4  # of Newton's method, from the slope of all rows
_LEAST_CHANCE = 1e-6
_NEAR = 1e-6


class _Tied(NamedTuple):
    """Weights of the rows with and without the outcome, (b, ties), by rising chance."""

    positive: Doubles
    negative: Doubles


def _tied(outcome: Doubles, chance: Doubles, weights: Doubles) -> _Tied:
    order = np.argsort(chance, kind="stable")
    starts = np.flatnonzero(np.diff(chance[order], prepend=np.nan) != 0)
    ordered, has = weights[:, order], outcome[order]
    return _Tied(*(np.add.reduceat(ordered * side, starts, axis=1) for side in (has, 1.0 - has)))


def auroc(outcome: Doubles, chance: Doubles, weights: Doubles) -> Doubles:
    """Area under the receiver operating characteristic: the chance that a case ranks above a non-case."""
    positive, negative = _tied(outcome, chance, weights)
    below = np.cumsum(negative, axis=1) - negative / 2
    return _ratio((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))


def auprc(outcome: Doubles, chance: Doubles, weights: Doubles) -> Doubles:
    """Area under precision over recall, as average precision: the mean precision at the cases."""
    positive, negative = (side[:, ::-1] for side in _tied(outcome, chance, weights))
    hits = np.cumsum(positive, axis=1)
    precision = _ratio(hits, hits + np.cumsum(negative, axis=1))
    found = _ratio(np.nansum(positive * precision, axis=1), hits[:, -1])
    return np.where(negative.sum(axis=1) > 0, found, np.nan)


def brier(outcome: Doubles, chance: Doubles, weights: Doubles) -> Doubles:
    """Mean squared distance of chance and outcome. Source: G. W. Brier, Monthly Weather Review 78 (1950) 1-3."""
    return _ratio(weights @ (chance - outcome) ** 2, weights.sum(axis=1))


def calibration_slope(outcome: Doubles, chance: Doubles, weights: Doubles) -> Doubles:
    """Slope of the outcome over the log odds of the chance; below 1 the chances are too extreme.

    Source: D. R. Cox, Biometrika 45 (1958) 562-565.
    """
    bounded = np.clip(chance, _LEAST_CHANCE, 1 - _LEAST_CHANCE)
    logit = np.log(bounded / (1 - bounded))
    line = before = np.array([[0.0, 1.0]])
    for _ in range(5 * _STEPS):
        before, line = line, _stepped(line, logit, outcome, np.ones((1, len(outcome))))
    lines = np.repeat(line, len(weights), axis=0)
    for _ in range(_STEPS):
        lines = _stepped(lines, logit, outcome, weights)
    has_slope = np.abs(line - before).max() < _NEAR  # where chances part the outcome without error, there is none
    return np.where(has_slope & _has_both(outcome, weights), lines[:, 1], np.nan)


def _stepped(line: Doubles, logit: Doubles, outcome: Doubles, weights: Doubles) -> Doubles:
    """One step of Newton's method towards intercept and slope, (b, 2)."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        fitted = 1 / (1 + np.exp(-(line[:, :1] + line[:, 1:] * logit)))
        missed, spread = weights * (outcome - fitted), weights * fitted * (1 - fitted)
        whole, first, second = spread.sum(axis=1), spread @ logit, spread @ logit**2
        rise, turn = missed.sum(axis=1), missed @ logit
        determinant = whole * second - first**2
        step = np.stack([second * rise - first * turn, whole * turn - first * rise], axis=1) / determinant[:, None]
    return np.asarray(line + np.clip(step, -2.0, 2.0))


def sensitivity(outcome: Doubles, chance: Doubles, weights: Doubles) -> Doubles:
    """Share of the cases that are flagged (true positive rate), where a row counts as flagged from chance 1/2 on.

    Pass flags of 0 and 1 as chances to flag by another rule.
    """
    return _ratio(weights @ (outcome * (chance >= 0.5)), weights @ outcome)


def calibration_error(outcome: Doubles, chance: Doubles, weights: Doubles) -> Doubles:
    """Mean chance minus the share with the outcome: calibration in the large."""
    return _ratio(weights @ (chance - outcome), weights.sum(axis=1))


def _has_both(outcome: Doubles, weights: Doubles) -> Doubles:
    return np.asarray((weights @ outcome > 0) & (weights @ (1.0 - outcome) > 0))


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


Score = Callable[[Doubles, Doubles, Doubles], Doubles]
