"""Shares and risks of attacks, each beside the same attack on persons that the generator never saw."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from omopsql.evaluate.metric import Metric

_Z = float(special.ndtri(0.975))


@dataclass(frozen=True)
class Rate:
    """How often an attack succeeded. Attacks that hang together count as fewer."""

    hits: float
    attacks: float

    def __str__(self) -> str:
        return f"{self.hits:,.0f} of {self.attacks:,.0f}"

    @property
    def share(self) -> float:
        """Successes over attacks."""
        return self.hits / self.attacks

    @property
    def centre(self) -> float:
        """The middle of Wilson's interval."""
        return (self.hits + 0.5 * _Z * _Z) / (self.attacks + _Z * _Z)

    @property
    def error(self) -> float:
        """Half the width of Wilson's interval."""
        failed = self.attacks - self.hits
        return _Z / (self.attacks + _Z * _Z) * math.sqrt(self.hits * failed / self.attacks + 0.25 * _Z * _Z)

    @property
    def low(self) -> float:
        """The lower end of Wilson's 95 % interval."""
        return max(self.centre - self.error, 0.0)

    @property
    def high(self) -> float:
        """The upper end of Wilson's 95 % interval."""
        return min(self.centre + self.error, 1.0)


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def beside(rate: Rate, control: Rate) -> Interval:
    """Return a share with an interval that tells how it compares with its control.

    The interval is that of the difference (Newcombe 1998, method 10), laid around the control's share: it excludes
    that share when the difference is more than chance.
    """
    difference = rate.share - control.share
    low = difference - math.hypot(rate.share - rate.low, control.high - control.share)
    high = difference + math.hypot(rate.high - rate.share, control.share - control.low)
    return Interval(rate.share, max(control.share + low, 0.0), min(control.share + high, 1.0))


def risk(attack: Rate, control: Rate, together: int = 1) -> Interval:
    """Return the risk beyond the control: (attack - control) / (1 - control), between 0 and 1.

    Rates are the centres of Wilson's intervals, and their errors are propagated. The interval is one of so many that
    hold ``together`` (Bonferroni). Source: M. Giomi et al., A unified
    framework for quantifying privacy risk in synthetic data, PoPETs 2023(2), 312-328 (anonymeter).
    """
    left = 1.0 - control.centre
    value = (attack.centre - control.centre) / left
    error = math.hypot(attack.error / left, control.error * (1.0 - attack.centre) / left**2)
    error *= float(special.ndtri(1 - 0.025 / together)) / _Z
    return Interval(*(min(max(x, 0.0), 1.0) for x in (value, value - error, value + error)))


def risk_metric(metric: str, subject: str, attack: Rate, control: Rate, guessed: Rate, *, together: int = 1) -> Metric:
    """Tell the risk of an attack, with its rates. Fresh real data would score 0."""
    found = risk(attack, control, together)
    rates = f"successes {attack.share:.1%}, on the holdout {control.share:.1%}, by guessing {guessed.share:.1%}"
    weak = "; no better than guessing: the attack had no power" if attack.share <= guessed.share else ""
    n = round(attack.attacks)
    return Metric(metric, found.value, found.low, found.high, 0.0, subject=subject, n=n, note=rates + weak)


def ahead(members: int, of: int, others: int, allowed: int) -> tuple[Interval, float]:
    """Judge how many members score above all but ``allowed`` of the ``others``. Returns their share, and by chance.

    If members were like others, their number ahead of the next other would be negative binomial: that is what the
    lower end leaves to chance, whatever the scores. The upper end is Wilson's, as if little were due to chance.
    """
    next_is_other = others / (of + others)
    expected = (allowed + 1) * of / others
    chances = special.nbdtr(np.arange(of + 1), allowed + 1, next_is_other)
    least, most = (int(place) for place in np.searchsorted(chances, (0.025, 0.975)))
    low = (expected + members - most) / of
    high = (expected - least) / of + Rate(members, of).high
    return Interval(members / of, max(low, 0.0), min(high, 1.0)), expected / of
