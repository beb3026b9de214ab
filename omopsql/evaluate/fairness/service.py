"""How well models serve each subgroup of real rows: ranking, sensitivity and calibration, and the gaps between groups.

Flagged are as many rows as have the outcome, those with the highest chances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Int64s
from omopsql.evaluate.utility import scores
from omopsql.evaluate.utility.classifiers import BOOSTING, chances, real_chances
from omopsql.evaluate.utility.intervals import Estimate, resampled
from omopsql.evaluate.utility.prediction import judges_of
from omopsql.evaluate.utility.question import LEAST_OF_CLASS, LEAST_ROWS, Question, Rows, obstacle


@dataclass(frozen=True)
class Judged:
    """Real rows as a model sees them: outcome (n), chance (n), and whether each is flagged (n), as 1 and 0."""

    outcome: Doubles
    chance: Doubles
    flagged: Doubles

    @classmethod
    def of(cls, rows: Rows, chance: Doubles) -> Judged:
        """Flag as many rows as have the outcome."""
        threshold = np.sort(chance)[::-1][max(rows.cases - 1, 0)]
        return cls(rows.outcome, chance, (chance >= threshold).astype(float))

    def taken(self, chosen: np.ndarray) -> Judged:
        """Return those that are marked."""
        return Judged(self.outcome[chosen], self.chance[chosen], self.flagged[chosen])


@dataclass(frozen=True)
class Service:
    """A way to score subgroups, (b) for weights (b, n); the name of its metric, and of the gap between subgroups."""

    metric: str
    gap: str
    score: Callable[[Judged, Doubles], Doubles]


AUROC = Service("group_auroc", "auroc_gap", lambda rows, w: scores.auroc(rows.outcome, rows.chance, w))
TPR = Service("group_tpr", "tpr_gap", lambda rows, w: scores.sensitivity(rows.outcome, rows.flagged, w))
CALIBRATION = Service(
    "group_calibration", "calibration_gap", lambda rows, w: scores.calibration_error(rows.outcome, rows.chance, w)
)
SERVICES = (AUROC, TPR, CALIBRATION)


def too_few(judges: Rows, number: int) -> str:
    """Say why a subgroup of the judges cannot be scored; empty where it can."""
    of_group = judges.taken(groups_of(judges) == number)
    cases = of_group.cases
    if len(of_group) < LEAST_ROWS or min(cases, len(of_group) - cases) < LEAST_OF_CLASS:
        return (
            f"{judges.name} has {len(of_group)} rows of this subgroup, {cases} with the outcome; at least {LEAST_ROWS} "
            f"are needed, {LEAST_OF_CLASS} with it and without it"
        )
    return ""


def groups_of(rows: Rows) -> Int64s:
    """The subgroup of each row."""
    return np.full(len(rows), -1) if rows.group is None else rows.group


def scored(judges: Rows, chance: Doubles, weights: Doubles, service: Service, groups: int) -> Doubles:
    """Score each subgroup for all weightings, (groups, b); NaN where it is too small."""
    judged, found = Judged.of(judges, chance), np.full((groups, len(weights)), np.nan)
    for number in range(groups):
        if not too_few(judges, number):
            chosen = groups_of(judges) == number
            found[number] = service.score(judged.taken(chosen), weights[:, chosen])
    return found


def gap(draws: Doubles) -> Doubles:
    """The largest minus the smallest score of the subgroups, for all weightings; NaN where fewer than two have one."""
    known = draws[~np.isnan(draws[:, 0])]
    return known.max(axis=0) - known.min(axis=0) if len(known) > 1 else np.full(draws.shape[1], np.nan)


def service(question: Question, by: str, names: tuple[str, ...], seed: int) -> Iterator[Metric]:
    """Score a model of synthetic rows in each subgroup of real rows; the reference is a model of real rows.

    Intervals come from 200 resamples of the test rows.
    """
    real, judges = judges_of(question, seed)
    reason = obstacle([real, judges, question.synthetic])
    if reason:
        asked = [(one.metric, name) for one in SERVICES for name in names] + [(one.gap, by) for one in SERVICES]
        yield from (Metric(metric, None, table=question.table, subject=name, note=reason) for metric, name in asked)
        return
    weights = resampled(len(judges), seed)
    by_synthetic = chances(BOOSTING, question.synthetic, judges, seed)
    by_real = real_chances(BOOSTING, real, judges, seed)
    for one in SERVICES:
        ours, theirs = (scored(judges, made, weights, one, len(names)) for made in (by_synthetic, by_real))
        for number, name in enumerate(names):
            rows = int((groups_of(judges) == number).sum())
            told = too_few(judges, number) or f"{BOOSTING}, tested on {rows:,} rows of {judges.name}"
            yield told_metric(question, one.metric, name, ours[number], float(theirs[number, 0]), rows, told)
        note = "fewer than two subgroups are large enough" if np.isnan(gap(ours)[0]) else ""
        yield told_metric(question, one.gap, by, gap(ours), float(gap(theirs)[0]), len(judges), note)


def told_metric(
    question: Question, metric: str, subject: str, draws: Doubles, reference: float | None, rows: int, note: str
) -> Metric:
    """Write a score and its resamples as a metric; NaN as one that could not be computed."""
    found = Estimate.of(draws)
    if np.isnan(found.value):
        return Metric(metric, None, table=question.table, subject=subject, n=rows, note=note)
    return Metric(metric, found.value, found.low, found.high, reference, question.table, subject, rows, note)
