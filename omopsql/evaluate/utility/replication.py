"""Would an analyst of the synthetic data have come to the same result? The same regression on both.

Overlap of intervals: A. F. Karr, C. N. Kohnen, A. Oganian, J. P. Reiter, A. P. Sanil, The American Statistician 60
(2006) 224-232.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles

from .intervals import NORMAL, Estimate, share
from .question import Question, Rows, obstacle
from .regression import Bools, Coefficients, Regression, cox, independent, logistic

_EVENTS_A_PREDICTOR = 10  # P. Peduzzi et al., Journal of Clinical Epidemiology 49 (1996) 1373-1379
_MOST_PREDICTORS = 20
_LOOKED_AT = 5  # times as many as are taken
_SPLITS = 5  # of the real rows into halves, where there is no holdout


@dataclass(frozen=True)
class Analysis:
    """A kind of regression, and what the metrics of its coefficients are called."""

    regression: Regression
    coefficient: str
    one_overlap: str
    overlap: str
    sign: str
    significance: str


LOGISTIC = Analysis(
    logistic, "log_odds_ratio", "predictor_overlap", "interval_overlap", "sign_agreement", "significance_agreement"
)
COX = Analysis(
    cox,
    "log_hazard_ratio",
    "cox_predictor_overlap",
    "cox_interval_overlap",
    "cox_sign_agreement",
    "cox_significance_agreement",
)


@dataclass(frozen=True)
class Agreement:
    """How far two sets of coefficients agree on each predictor (d).

    ``overlaps``: the mean share of both intervals that they have in common; ``signs``: whether both have one sign;
    ``claims``: whether both say the same, no clear effect or a clear one of that sign.
    """

    overlaps: Doubles
    signs: Bools
    claims: Bools


@dataclass(frozen=True)
class _Result:
    """An analysis of both sides, with as many rows of each, and the agreement of real rows with other real ones.

    ``chosen`` are the places of the predictors; ``is_bounded`` says that a weak prior bounds the coefficients.
    """

    question: Question
    analysis: Analysis
    chosen: np.ndarray
    rows: int
    is_bounded: bool
    real: Coefficients
    synthetic: Coefficients
    references: list[Agreement]

    @property
    def names(self) -> list[str]:
        return [self.question.names[place] for place in self.chosen]

    @property
    def clear(self) -> Bools:
        """The predictors of a clear effect in the real rows; all where there is none."""
        found = self.real.is_significant
        return found if found.any() else ~found

    def mean(self, part: Callable[[Agreement], np.ndarray]) -> float | None:
        """The mean over references; None without one."""
        return float(np.mean([part(one).mean() for one in self.references])) if self.references else None

    def metric(self, name: str, found: Estimate, reference: float | None, subject: str = "", note: str = "") -> Metric:
        low, high = (None, None) if np.isnan(found.low) else (found.low, found.high)
        return Metric(name, found.value, low, high, reference, self.question.table, subject, self.rows, note)


def replication(question: Question, analysis: Analysis, seed: int) -> Iterator[Metric]:
    """Compare the coefficients of real and synthetic rows, as many of each; the reference compares real with real."""
    result = _obstacle(question, analysis) or _result(question, analysis, seed)
    if isinstance(result, str):
        told = (analysis.overlap, analysis.sign, analysis.significance)
        yield from (Metric(name, None, table=question.table, note=result) for name in told)
    else:
        yield from _coefficients(result)
        yield from _agreements(result)


def _obstacle(question: Question, analysis: Analysis) -> str:
    sides = (question.real, question.synthetic)
    if analysis is COX:
        return obstacle(map(_as_outcome, sides), "the event")
    return obstacle(sides)


def _as_outcome(rows: Rows) -> Rows:
    """The same rows with the event as their outcome."""
    return rows if rows.is_event is None else Rows(rows.name, rows.predictors, rows.is_event)


def _result(question: Question, analysis: Analysis, seed: int) -> _Result | str:
    """Fit both sides; a text says why they cannot be."""
    rows = min(len(question.real), len(question.synthetic))
    real, synthetic = question.real.drawn(rows, seed), question.synthetic.drawn(rows, seed + 1)
    chosen = _predictors(question, analysis, real, synthetic)
    if not chosen.size:
        return f"no predictor varies, or fewer than {_EVENTS_A_PREDICTOR} rows have the outcome"
    for prior in (0.0, 1.0):
        found = _both(analysis, real, synthetic, chosen, prior)
        if found is not None:
            references = _references(question, analysis, chosen, prior, seed)
            return _Result(question, analysis, chosen, rows, prior > 0, *found, references)
    return "the coefficients have no bound"


def _predictors(question: Question, analysis: Analysis, real: Rows, synthetic: Rows) -> np.ndarray:
    """The places of the predictors: one for ten cases, those that the real outcome is most tied to."""
    allowed = np.arange(len(question.names)) if analysis is LOGISTIC else np.array(question.baseline, np.int64)
    sides = [_as_outcome(rows) for rows in (real, synthetic)] if analysis is COX else [real, synthetic]
    fewest = min(rows.cases if analysis is COX else min(rows.cases, len(rows) - rows.cases) for rows in sides)
    most = min(fewest // _EVENTS_A_PREDICTOR, _MOST_PREDICTORS)
    ranked = allowed[_by_tie(sides[0].predictors[:, allowed], sides[0].outcome)][: _LOOKED_AT * most]
    ranked = ranked[independent(real.predictors[:, ranked]) & independent(synthetic.predictors[:, ranked])]
    return np.asarray(np.sort(ranked[:most]))


def _by_tie(matrix: Doubles, outcome: Doubles) -> np.ndarray:
    """The columns, the one most correlated with the outcome first."""
    tie = (matrix - matrix.mean(axis=0)).T @ (outcome - outcome.mean()) / np.maximum(matrix.std(axis=0), 1e-9)
    return np.argsort(-np.abs(tie), kind="stable")


def _both(
    analysis: Analysis, first: Rows, second: Rows, chosen: np.ndarray, prior: float
) -> tuple[Coefficients, Coefficients] | None:
    """The coefficients of both sides; None where those of one have no bound."""
    found = [analysis.regression(_narrowed(rows, chosen), prior) for rows in (first, second)]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _narrowed(rows: Rows, chosen: np.ndarray) -> Rows:
    return Rows(rows.name, rows.predictors[:, chosen], rows.outcome, rows.days, rows.is_event)


def agreement(first: Coefficients, second: Coefficients) -> Agreement:
    """Compare two sets of coefficients."""
    common = np.maximum(np.minimum(first.high, second.high) - np.maximum(first.low, second.low), 0.0)
    overlaps = (common / (first.high - first.low) + common / (second.high - second.low)) / 2
    first_sign, second_sign = np.sign(first.values), np.sign(second.values)
    claims = first_sign * first.is_significant == second_sign * second.is_significant
    return Agreement(np.asarray(overlaps), np.asarray(first_sign == second_sign), np.asarray(claims))


def _references(question: Question, analysis: Analysis, chosen: np.ndarray, prior: float, seed: int) -> list[Agreement]:
    """Agreement of real with holdout, or of several halves of real; where they need the prior, with it."""
    found = []
    for split in range(1 if question.holdout is not None else _SPLITS):
        first, second = question.halves(seed + split)
        rows = min(len(first), len(second))
        first, second = first.drawn(rows, seed), second.drawn(rows, seed)
        both = _both(analysis, first, second, chosen, prior) or _both(analysis, first, second, chosen, 1.0)
        if both is not None:
            found.append(agreement(*both))
    return found


def _coefficients(result: _Result) -> Iterator[Metric]:
    """Tell each coefficient beside the real one, and how far their intervals overlap."""
    analysis, real, synthetic = result.analysis, result.real, result.synthetic
    overlaps = agreement(real, synthetic).overlaps
    for i, name in enumerate(result.names):
        found = Estimate(synthetic.values[i], synthetic.low[i], synthetic.high[i])
        told = f"real: {real.values[i]:.2f} ({real.low[i]:.2f} to {real.high[i]:.2f})"
        yield result.metric(analysis.coefficient, found, real.values[i], name, told)
        reference = float(np.mean([one.overlaps[i] for one in result.references])) if result.references else None
        yield result.metric(analysis.one_overlap, Estimate(overlaps[i], np.nan, np.nan), reference, name)


def _agreements(result: _Result) -> Iterator[Metric]:
    """Tell how far the analyses agree: overlap and sign over clear effects, significance over all predictors."""
    analysis, clear = result.analysis, result.clear
    found = agreement(result.real, result.synthetic)
    yield result.metric(
        analysis.overlap,
        _over_predictors(found.overlaps[clear]),
        result.mean(lambda one: one.overlaps[clear]),
        note=_told(result),
    )
    yield result.metric(
        analysis.significance, share(int(found.claims.sum()), len(clear)), result.mean(lambda one: one.claims)
    )
    if result.real.is_significant.any():
        signs = share(int(found.signs[clear].sum()), int(clear.sum()))
        yield result.metric(analysis.sign, signs, result.mean(lambda one: one.signs[clear]))
    else:
        yield Metric(
            analysis.sign, None, table=result.question.table, note="no predictor has a clear effect on real rows"
        )


def _over_predictors(overlaps: Doubles) -> Estimate:
    """The mean, with its normal interval over predictors."""
    mean, size = float(overlaps.mean()), len(overlaps)
    half = NORMAL * float(overlaps.std(ddof=1)) / np.sqrt(size) if size > 1 else np.nan
    return Estimate(mean, max(mean - half, 0.0), min(mean + half, 1.0)) if size > 1 else Estimate(mean, half, half)


def _told(result: _Result) -> str:
    clear = int(result.real.is_significant.sum())
    told = (
        f"over {clear or len(result.names)} of {len(result.names)} predictors"
        f"{', those of a clear effect on real rows' if clear else ', none of a clear effect on real rows'}; numbers in "
        f"units of the real standard deviation; {result.rows:,} rows on each side"
    )
    return (
        f"{told}; a weak prior bounds the coefficients, for predictors nearly part the rows"
        if result.is_bounded
        else told
    )
