"""Scores of a comparison with their intervals, and how they become metrics.

Intervals are the delete-a-group jackknife's: persons of both sides are in 20 groups by chance; a score is computed
again without each group, and how much these differ tells how much it would in other persons. Source: P. S. Kott, The
delete-a-group jackknife, Journal of Official Statistics 17 (2001) 521-526.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar

import numpy as np

from omopsql.evaluate.metric import Metric
from omopsql.evaluate.verdicts import HIGHER, LOWER, kinds
from omopsql.udfs.kolmogorov import largest_differences

from .histories import Doubles, Ints

_T_19 = 2.093024  # 97.5 % quantile of Student's t with 19 degrees of freedom
_SHARES = ("_ks", "_tvd")  # how metrics end that are shares of persons or values


@dataclass(frozen=True)
class Score:
    """A number, and what it is without each group of persons (none: it has no interval). NaN: it has no value."""

    metric: str
    value: float
    without: Doubles = field(default_factory=lambda: np.zeros(0))
    table: str = ""
    subject: str = ""
    n: int | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells scores of one comparison apart."""
        return self.metric, self.table, self.subject


def told(scores: Iterable[Score], reference: Iterable[Score], needs: dict[str, str]) -> Iterator[Metric]:
    """Write scores as metrics beside the reference's; ``needs`` says what one without a value lacks."""
    of_real = {score.key: score.value for score in reference}
    for score in scores:
        own = of_real.get(score.key, np.nan)
        low, high = _interval(score)
        known = not np.isnan(score.value)
        note = score.note if known else "; ".join(filter(None, [needs.get(score.metric, ""), score.note]))
        yield Metric(
            score.metric,
            score.value if known else None,
            low,
            high,
            None if np.isnan(own) else own,
            score.table,
            score.subject,
            score.n,
            note,
        )


def _interval(score: Score) -> tuple[float | None, float | None]:
    """The 95 % interval, within what the metric can be; none without groups."""
    groups = score.without.size
    if groups < 2 or np.isnan(score.value) or np.isnan(score.without).any():
        return None, None
    spread = score.without - score.without.mean()
    error = _T_19 * float(np.sqrt((groups - 1) / groups * (spread**2).sum()))
    kind = kinds()[score.metric]
    low, high = score.value - error, score.value + error
    if kind.ideal is not None and kind.better == LOWER:
        low = max(low, kind.ideal)
    if kind.ideal is not None and kind.better == HIGHER:
        high = min(high, kind.ideal)
    if score.metric.endswith(_SHARES):
        high = min(high, 1.0)
    return low, high


@dataclass(frozen=True)
class Additive:
    """What is counted of persons: counts of two lots of persons add up, and those of some can be taken away."""

    def __add__(self: _Counts, other: _Counts) -> _Counts:
        return self._with(other, np.add)

    def __sub__(self: _Counts, other: _Counts) -> _Counts:
        return self._with(other, np.subtract)

    def _with(self: _Counts, other: _Counts, how: Callable[..., np.ndarray]) -> _Counts:
        return type(self)(*(how(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))


_Counts = TypeVar("_Counts", bound=Additive)


def each(
    score: Callable[[_Counts, _Counts], dict[str, float]], real: Sequence[_Counts], synthetic: Sequence[_Counts]
) -> dict[str, Doubles]:
    """Score what was counted of all groups, then without each: float64[1 + groups] by the score's name."""
    a, b = total(real), total(synthetic)
    found = [score(a, b)]
    if len(real) > 1:
        found += [score(a - x, b - y) for x, y in zip(real, synthetic, strict=True)]
    return {name: np.array([scores[name] for scores in found]) for name in found[0]}


def total(parts: Sequence[_Counts]) -> _Counts:
    """Add up what was counted of each group."""
    summed = parts[0]
    for part in parts[1:]:
        summed = summed + part
    return summed


@dataclass(frozen=True)
class Sample:
    """Numbers, and the group of the person of each."""

    value: Doubles
    group: Ints

    @property
    def known(self) -> Sample:
        """Without NaN."""
        known = ~np.isnan(self.value)
        return Sample(self.value[known], self.group[known])


def ks(samples: Sequence[Sample], groups: int) -> Doubles:
    """Kolmogorov-Smirnov distance of two samples, NaN left out: of all, and without each of so many groups."""
    real, synthetic = (sample.known for sample in samples)
    value = np.concatenate([real.value, synthetic.value])
    order = np.argsort(value, kind="stable")
    group = np.concatenate([real.group, synthetic.group])[order]
    side = np.repeat([0, 1], [real.value.size, synthetic.value.size])[order]
    found: Doubles = largest_differences(value[order], group, side, groups)
    return found


def averaged(scores: Sequence[Doubles]) -> Doubles:
    """Mean of scores and of what they are without each group, over those that are known; NaN without any."""
    if not scores:
        return np.full(1, np.nan)
    table = np.array(scores)
    known = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        means: Doubles = np.where(known, table, 0.0).sum(axis=0) / known.sum(axis=0)
    return means


def scored(metric: str, found: Doubles, n: int | None, table: str = "", subject: str = "", note: str = "") -> Score:
    """Make a score of a number and what it is without each group."""
    return Score(metric, float(found[0]), found[1:], table, subject, n, note)
