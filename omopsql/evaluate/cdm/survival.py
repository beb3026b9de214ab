"""Survival: Kaplan-Meier curves of both sides, and the log-rank test.

Sources: E. L. Kaplan, P. Meier, JASA 53 (1958) 457-481; N. Mantel, Cancer Chemotherapy Reports 50 (1966) 163-170.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .histories import FEMALE, MALE, TABLES, Bools, Doubles, Ints
from .hospitals import Comparison, Hospital, Hospitals
from .scores import Additive, Score, each, scored, total

NEEDS = {
    "survival_distance": "needs 30 real persons of whom 5 died, and 5 synthetic persons",
    "survival_logrank_p": "needs 30 real persons of whom 5 died, and 5 synthetic persons",
    "died_difference": "needs persons on both sides",
}
_LEAST_PERSONS, _LEAST_DEATHS, _LEAST_SYNTHETIC = 30, 5, 5
_LEAST_AT_RISK = 10  # persons who are still followed up at the end of a curve
_MOST_CONDITIONS = 5
_CONDITION = TABLES.index("condition_occurrence")


@dataclass(frozen=True)
class Exits(Additive):
    """Persons by the day on which follow-up ends: who died on it, and all who left on it; int64[days]."""

    died: Ints
    left: Ints

    @property
    def at_risk(self) -> Ints:
        """Persons who are followed up at the start of each day."""
        return np.asarray(self.left[::-1].cumsum()[::-1])

    def surviving(self) -> Doubles:
        """Share of persons who survive each day (Kaplan-Meier), float64[days]; stays where nobody is at risk."""
        at_risk = self.at_risk
        return np.asarray(np.cumprod(1.0 - self.died / np.maximum(at_risk, 1)))

    @property
    def horizon(self) -> int:
        """The last day on which ten persons are still followed up."""
        enough = np.flatnonzero(self.at_risk >= _LEAST_AT_RISK)
        return int(enough[-1]) if enough.size else 0


@dataclass(frozen=True)
class Curves:
    """Kaplan-Meier curves of a group of persons, by days of follow-up: float64[days] each."""

    subject: str
    real: Doubles
    synthetic: Doubles


def logrank(real: Exits, synthetic: Exits) -> float:
    """Log-rank statistic of two groups, chi-square with one degree of freedom; NaN without a death."""
    n_1, n_2 = real.at_risk, synthetic.at_risk
    died, n = real.died + synthetic.died, n_1 + n_2
    days = np.flatnonzero((died > 0) & (n > 1))
    died, n, n_1, n_2 = died[days], n[days], n_1[days], n_2[days]
    variance = float((died * (n_1 / n) * (n_2 / n) * (n - died) / (n - 1)).sum())
    apart = float((real.died[days] - died * n_1 / n).sum())
    return apart**2 / variance if variance > 0 else math.nan


def chance_above(statistic: float) -> float:
    """Chance that a chi-square with one degree of freedom is larger."""
    return math.erfc(math.sqrt(statistic / 2)) if statistic == statistic else math.nan


def distance(real: Exits, synthetic: Exits) -> dict[str, float]:
    """Largest difference of two curves up to the real one's horizon."""
    upto = real.horizon + 1
    return {"distance": float(np.abs(real.surviving()[:upto] - synthetic.surviving()[:upto]).max())}


def scores(of: Comparison) -> Iterator[Score]:
    """Score survival from the first day of observation: of all, by sex, and after each of the commonest conditions."""
    yield _died(of)
    for table, subject, exits in _followed(of):
        a, b = (total(side) for side in exits)
        n = int(min(a.left.sum(), b.left.sum()))
        if not _enough(of, a, b):
            yield Score("survival_distance", math.nan, table=table, subject=subject, n=n)
            continue
        yield scored("survival_distance", each(distance, *exits)["distance"], n, table, subject)
        yield Score("survival_logrank_p", chance_above(logrank(a, b)), table=table, subject=subject, n=n)


def curves(hospitals: Hospitals) -> list[Curves]:
    """Return the Kaplan-Meier curves of every group of persons that has enough, up to the real one's horizon."""
    of = hospitals.comparison()
    found = []
    for _, subject, exits in _followed(of):
        real, synthetic = (total(side) for side in exits)
        if _enough(of, real, synthetic):
            upto = real.horizon + 1
            found.append(Curves(subject, real.surviving()[:upto], synthetic.surviving()[:upto]))
    return found


def _enough(of: Comparison, real: Exits, synthetic: Exits) -> bool:
    is_real_enough = real.left.sum() >= of.least(_LEAST_PERSONS) and real.died.sum() >= of.least(_LEAST_DEATHS)
    return bool(is_real_enough and synthetic.left.sum() >= _LEAST_SYNTHETIC)


def _died(of: Comparison) -> Score:
    """The difference of the shares of persons who died; its interval is that of the signed one."""
    shares = []
    for side in of.sides:
        is_dead, group = side.people.death >= 0, side.people.group
        dead = np.bincount(group, is_dead, minlength=of.groups)[: of.groups]
        size = np.bincount(group, minlength=of.groups)[: of.groups]
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(np.append(is_dead.sum(), is_dead.sum() - dead) / np.append(is_dead.size, is_dead.size - size))
    apart = shares[1] - shares[0]
    note = f"real {shares[0][0]:.4f}, synthetic {shares[1][0]:.4f}"
    return scored("died_difference", apart * (-1 if apart[0] < 0 else 1), of.persons, "death", note=note)


def _followed(of: Comparison) -> Iterator[tuple[str, str, list[list[Exits]]]]:
    """Table, subject and exits of each group of persons, by side."""
    sides = of.sides
    starts = [side.people.start for side in sides]
    everyone = [np.ones(len(side.people), bool) for side in sides]
    yield "death", "", _exits(of, starts, everyone)
    for name, sex in (("female", FEMALE), ("male", MALE)):
        yield "death", name, _exits(of, starts, [side.people.sex == sex for side in sides])
    for item in _conditions(of.hospitals):
        firsts = [_first_day(side, item) for side in sides]
        concept = str(of.hospitals.items.concept[item])
        yield TABLES[_CONDITION], concept, _exits(of, firsts, [first >= 0 for first in firsts])


def _conditions(hospitals: Hospitals) -> Ints:
    """The conditions that most real persons have."""
    items = hospitals.items
    is_condition = (items.table == _CONDITION) & (items.concept > 0)
    persons = hospitals.real.persons_with(len(items)) * is_condition
    commonest = np.argsort(-persons, kind="stable")[:_MOST_CONDITIONS]
    return commonest[persons[commonest] >= _LEAST_PERSONS]


def _first_day(side: Hospital, item: int) -> Ints:
    """The day of each person's first record of an item; -1 without one."""
    histories = side.histories
    records = np.flatnonzero(histories.item == item)[::-1]
    first = np.full(histories.persons, -1)
    first[histories.person[records]] = histories.t[records]  # the earliest comes last
    return first


def _exits(of: Comparison, starts: list[Ints], chosen: list[Bools]) -> list[list[Exits]]:
    """Follow-up of the chosen persons of both sides from a day of their own; by group of persons."""
    days, died = [], []
    for side, start in zip(of.sides, starts, strict=True):
        people = side.people
        is_dead = people.death >= 0
        days.append(np.maximum(np.where(is_dead, people.death, people.len) - start, 0))
        died.append(is_dead)
    width = 1 + max(int(day[who].max(initial=0)) for day, who in zip(days, chosen, strict=True))
    found = []
    for side, day, is_dead, who in zip(of.sides, days, died, chosen, strict=True):
        group = side.people.group if of.groups else np.zeros(len(side.people), np.int64)
        cell, cells = (group * width + day)[who], max(of.groups, 1) * width
        left, dead = (np.bincount(of_day, minlength=cells).reshape(-1, width) for of_day in (cell, cell[is_dead[who]]))
        found.append([Exits(*part) for part in zip(dead, left, strict=True)])
    return found
