"""Train on synthetic, test on real, and the reverse. The reference is the model that was trained on real rows.

Source: C. Esteban, S. L. Hyland, G. Rätsch, arXiv 1706.02633 (2017).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles

from . import scores
from .classifiers import MODELS, chances, real_chances
from .intervals import Estimate, resampled
from .question import Question, Rows, obstacle
from .scores import Score

MOST_JUDGED = 10_000  # rows that a model is tested on
_SCORES: dict[str, Score] = {
    "tstr_auroc": scores.auroc,
    "tstr_auprc": scores.auprc,
    "tstr_brier": scores.brier,
    "tstr_calibration_slope": scores.calibration_slope,
}
_TRTR, _TRTS = "trtr_auroc", "trts_auroc"


def judges_of(question: Question, seed: int) -> tuple[Rows, Rows]:
    """Return the real rows to train on and those to test on. Without a holdout they are the same ones."""
    judges = question.judges.drawn(MOST_JUDGED, seed)
    return (judges if question.holdout is None else question.real), judges


def prediction(question: Question, seed: int) -> Iterator[Metric]:
    """Score both models in both directions. Intervals come from 200 resamples of the test rows."""
    real, judges = judges_of(question, seed)
    in_real = obstacle([real, judges])
    in_synthetic = obstacle([question.synthetic])
    for model in MODELS:
        if in_real:
            yield from (_unknown(question, name, model, in_real) for name in (*_SCORES, _TRTR, _TRTS))
            continue
        weights = resampled(len(judges), seed)
        by_real = real_chances(model, real, judges, seed)
        ceiling = Estimate.of(scores.auroc(judges.outcome, by_real, weights))
        yield _metric(question, _TRTR, model, ceiling, None, judges, _trained(question, real, judges))
        if in_synthetic:
            yield from (_unknown(question, name, model, in_synthetic) for name in (*_SCORES, _TRTS))
            continue
        by_synthetic = chances(model, question.synthetic, judges, seed)
        yield from _transferred(question, model, judges, weights, by_synthetic, by_real)
        yield _reverse(question, model, real, ceiling, seed)


def _transferred(
    question: Question, model: str, judges: Rows, weights: Doubles, by_synthetic: Doubles, by_real: Doubles
) -> Iterator[Metric]:
    told = _trained(question, question.synthetic, judges)
    for name, score in _SCORES.items():
        found = Estimate.of(score(judges.outcome, by_synthetic, weights))
        reference = float(score(judges.outcome, by_real, weights[:1])[0])
        yield _metric(question, name, model, found, reference, judges, told)


def _reverse(question: Question, model: str, real: Rows, ceiling: Estimate, seed: int) -> Metric:
    """Train on real, test on synthetic."""
    judged = question.synthetic.drawn(MOST_JUDGED, seed)
    draws = scores.auroc(judged.outcome, chances(model, real, judged, seed), resampled(len(judged), seed))
    told = _trained(question, real, judged)
    return _metric(question, _TRTS, model, Estimate.of(draws), ceiling.value, judged, told)


def _trained(question: Question, learned: Rows, judged: Rows) -> str:
    told = f"trained on {len(learned):,} rows of {learned.name}, tested on {len(judged):,} of {judged.name}"
    if learned is judged:
        return f"{told}, cross-fitted"
    if question.holdout is None and learned is question.synthetic:
        return f"{told}, which the generator may have learned from: give a holdout"
    return told


def _metric(
    question: Question, name: str, model: str, found: Estimate, reference: float | None, judged: Rows, told: str
) -> Metric:
    if np.isnan(found.value):
        return _unknown(question, name, model, f"{judged.name}: the score is not defined on these rows")
    return Metric(name, found.value, found.low, found.high, reference, question.table, model, n=len(judged), note=told)


def _unknown(question: Question, name: str, model: str, reason: str) -> Metric:
    return Metric(name, None, table=question.table, subject=model, note=reason)
