"""Concepts: how many persons have them, together, on one day, one after the other, and how often.

What is counted adds up over persons (``Prevalence``, ``Company``); the scores compare the counts of two sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .distances import log_r_squared, mean, r_squared
from .histories import FEMALE, GROUPS, MALE, Doubles, Histories, Ints
from .hospitals import Comparison, Hospital, Hospitals
from .observed import Observed
from .scores import Additive, Score, each, scored, total

AGES = (5, 18, 30, 45, 55, 65, 75, 85)  # where a band of ages ends and the next begins
SHORT, LONG = 30, 365  # days within which one record follows another
_MOST_ITEMS = 400  # whose company is counted
_MOST_TOLD = 200  # concepts with a row of their own
_LARGEST_NUMBER = 60  # of records that a person has of a concept; more count as many

NEEDS = {
    "prevalence_r2": "needs two concepts of different frequency on the real side",
    "prevalence_log_r2": "needs two concepts of 5 real persons each, of different frequency",
    "prevalence_max_difference": "needs a concept on either side",
    "prevalence_sex_age_r2": "needs 20 real and 5 synthetic persons of one sex and band of ages",
    "pair_joint_r2": "needs pairs of concepts that 20 real persons share",
    "pair_log_lift_r2": "needs pairs of concepts that 20 real persons share",
    "same_day_r2": "needs pairs of concepts that meet on 20 days",
    "same_day_log_r2": "needs pairs of concepts that meet on 20 days",
    "same_day_persons_r2": "needs pairs of concepts that meet on a day in 20 persons",
    "transition_r2": "needs pairs of concepts that follow each other 20 times",
    "transition_log_r2": "needs pairs of concepts that follow each other 20 times",
    "transition_persons_r2": "needs pairs of concepts that follow each other in 20 persons",
    "records_per_concept_tvd": "needs a concept that 20 real persons have",
}


@dataclass(frozen=True)
class Prevalence(Additive):
    """How many persons there are and have each item: of all, and of each sex and band of ages.

    ``persons`` int64; ``ever`` int64[items]; ``in_stratum`` int64[strata]; ``ever_in_stratum`` int64[strata, items].
    """

    persons: np.int64
    ever: Ints
    in_stratum: Ints
    ever_in_stratum: Ints

    @classmethod
    def of(cls, histories: Histories, items: int, ages: tuple[int, ...] = AGES) -> Prevalence:
        """Count persons."""
        people, bands = histories.people, len(ages) + 1
        sex = np.where(people.sex == MALE, 1, np.where(people.sex == FEMALE, 0, -1))
        stratum = np.where(sex >= 0, sex * bands + Observed(histories, items).bands(ages), 2 * bands)
        person, item = np.divmod(np.unique(histories.person * items + histories.item), max(items, 1))
        by_stratum = np.bincount(stratum[person] * items + item, minlength=(2 * bands + 1) * items)
        by_stratum = by_stratum.reshape(2 * bands + 1, items)
        in_stratum = np.bincount(stratum, minlength=2 * bands + 1)
        return cls(np.int64(len(people)), by_stratum.sum(axis=0), in_stratum[:-1], by_stratum[:-1])

    @property
    def share(self) -> Doubles:
        """Share of persons who have each item."""
        return np.asarray(self.ever / self.persons)


@dataclass(frozen=True)
class Company(Additive):
    """How items go together: counts of pairs, int64[items, items], and of records.

    ``joint``: persons with both; ``same_day``: records of both on one day; ``met``: persons in whom they meet so;
    ``followed_soon``, ``followed``: records that one of the other follows within 30 and 365 days;
    ``followed_soon_persons``, ``followed_persons``: persons in whom the first record is followed so; ``numbers``
    int64[items, 61]: persons with so many records, 60 and more in the last.
    """

    persons: np.int64
    joint: Ints
    same_day: Ints
    met: Ints
    followed_soon: Ints
    followed: Ints
    followed_soon_persons: Ints
    followed_persons: Ints
    numbers: Ints

    @classmethod
    def of(cls, observed: Observed) -> Company:
        """Count pairs."""
        ever = observed.ever.astype(np.float32)
        soon, soon_persons = observed.followed(SHORT)
        later, persons = observed.followed(LONG)
        number = np.minimum(observed.counts, _LARGEST_NUMBER) + np.arange(observed.items) * (_LARGEST_NUMBER + 1)
        numbers = np.bincount(number.ravel(), minlength=observed.items * (_LARGEST_NUMBER + 1))
        return cls(
            np.int64(observed.persons),
            np.rint(ever.T @ ever).astype(np.int64),
            observed.same_day,
            observed.met,
            soon,
            later,
            soon_persons,
            persons,
            numbers.reshape(observed.items, _LARGEST_NUMBER + 1),
        )

    @property
    def ever(self) -> Ints:
        """Persons who have each item."""
        return np.diag(self.joint)


def prevalence(real: Prevalence, synthetic: Prevalence) -> dict[str, float]:
    """R² of the shares of persons who ever have a concept: all, on a log scale, and by sex and age band."""
    p, q = real.share, synthetic.share
    seen = p * real.persons >= 5
    logs = [np.log(share[seen] + 0.5 / of.persons) for share, of in ((p, real), (q, synthetic))]
    strata = np.flatnonzero((real.in_stratum >= 20) & (synthetic.in_stratum >= 5))
    by_stratum = [(of.ever_in_stratum[strata] / of.in_stratum[strata, None]).ravel() for of in (real, synthetic)]
    return {
        "prevalence_r2": r_squared(p, q),
        "prevalence_log_r2": r_squared(logs[0], logs[1]),
        "prevalence_sex_age_r2": r_squared(by_stratum[0], by_stratum[1]),
        "prevalence_max_difference": float(np.abs(p - q).max(initial=0.0)) if p.size else np.nan,
    }


def pairs(real: Company, synthetic: Company) -> dict[str, float]:
    """R² of the shares of persons who have both of two concepts, and of their log-lift, where 20 have or should."""
    joint, lift = _joint_and_lift(real)
    joint_made, lift_made = _joint_and_lift(synthetic)
    share = real.ever / real.persons
    expected = np.outer(share, share)
    frequent = np.triu((joint * real.persons >= 20) | (expected * real.persons >= 20), 1)
    return {
        "pair_joint_r2": r_squared(joint[frequent], joint_made[frequent]),
        "pair_log_lift_r2": r_squared(lift[frequent], lift_made[frequent]),
    }


def _joint_and_lift(of: Company) -> tuple[Doubles, Doubles]:
    half_a_person, share = 0.5 / of.persons, of.ever / of.persons
    joint = of.joint / of.persons
    return joint, np.log((joint + half_a_person) / (np.outer(share, share) + half_a_person))


def company_and_order(real: Company, synthetic: Company) -> dict[str, float]:
    """R² of pair counts of 20 and more in either: on one day, and one after the other; by records and by persons."""
    counted = {
        "same_day": [np.triu(of.same_day, 1) for of in (real, synthetic)],
        "met": [np.triu(of.met, 1) for of in (real, synthetic)],
        "transition_soon": [real.followed_soon, synthetic.followed_soon],
        "transition_records": [real.followed, synthetic.followed],
        "transition_soon_persons": [real.followed_soon_persons, synthetic.followed_soon_persons],
        "transition_persons": [real.followed_persons, synthetic.followed_persons],
    }
    scores = {}
    for name, (count, made) in counted.items():
        scaled = np.asarray(made * (real.persons / synthetic.persons))
        frequent = (count >= 20) | (scaled >= 20)
        scores[f"{name}_r2"] = r_squared(count[frequent].astype(float), scaled[frequent])
        scores[f"{name}_log_r2"] = log_r_squared(count[frequent].astype(float), scaled[frequent])
    return scores


def amounts(real: Company, synthetic: Company) -> dict[str, float]:
    """Total variation of records per person, mean over concepts that 20 persons have."""
    frequent = np.flatnonzero(real.ever >= 20)
    shares = [of.numbers[frequent] / of.persons for of in (real, synthetic)]
    return {"count_tvd": mean(np.abs(shares[0] - shares[1]).sum(axis=1) / 2)}


_ROWS = {  # score: metric, and the subject that tells it from others of the metric
    "prevalence_r2": ("prevalence_r2", ""),
    "prevalence_log_r2": ("prevalence_log_r2", ""),
    "prevalence_sex_age_r2": ("prevalence_sex_age_r2", ""),
    "prevalence_max_difference": ("prevalence_max_difference", ""),
    "pair_joint_r2": ("pair_joint_r2", ""),
    "pair_log_lift_r2": ("pair_log_lift_r2", ""),
    "same_day_r2": ("same_day_r2", ""),
    "same_day_log_r2": ("same_day_log_r2", ""),
    "met_r2": ("same_day_persons_r2", ""),
    "transition_soon_r2": ("transition_r2", f"within {SHORT} days"),
    "transition_records_r2": ("transition_r2", f"within {LONG} days"),
    "transition_soon_log_r2": ("transition_log_r2", f"within {SHORT} days"),
    "transition_records_log_r2": ("transition_log_r2", f"within {LONG} days"),
    "transition_soon_persons_r2": ("transition_persons_r2", f"within {SHORT} days"),
    "transition_persons_r2": ("transition_persons_r2", f"within {LONG} days"),
    "count_tvd": ("records_per_concept_tvd", ""),
}


def scores(of: Comparison) -> Iterator[Score]:
    """Score prevalence, company, order and amounts, and the prevalence of each of the 200 commonest concepts."""
    items = len(of.hospitals.items)
    had = [[Prevalence.of(part, items) for part in _parts(side, of.groups)] for side in of.sides]
    together = [
        [Company.of(Observed(part.folded(), min(items, _MOST_ITEMS))) for part in _parts(side, of.groups)]
        for side in of.sides
    ]
    found = each(prevalence, *had)
    for score in (pairs, company_and_order, amounts):
        found |= each(score, *together)
    for name, (metric, subject) in _ROWS.items():
        yield scored(metric, found[name], of.persons, subject=subject)
    yield from _of_each_concept(had[0], had[1], of.hospitals)


def _parts(side: Hospital, groups: int) -> list[Histories]:
    """The histories of each group of persons; of all when there are no groups."""
    if not groups:
        return [side.histories]
    return [side.histories.taken(np.flatnonzero(side.people.group == group)) for group in range(GROUPS)]


def _of_each_concept(real: list[Prevalence], synthetic: list[Prevalence], hospitals: Hospitals) -> Iterator[Score]:
    """The difference of prevalence of the concepts that most persons have; its interval is that of the signed one."""
    a, b = total(real), total(synthetic)
    share = sum(side.persons_with(len(hospitals.items)) / len(side.people) for side in hospitals.every[:2])
    commonest = np.argsort(-share, kind="stable")[:_MOST_TOLD]
    groups = list(zip(real, synthetic, strict=True)) if len(real) > 1 else []
    apart = np.array([((b - y).share - (a - x).share)[commonest] for x, y in groups])
    names = hospitals.items.names()
    for place, item in enumerate(commonest):
        difference = b.share[item] - a.share[item]
        spread = (apart[:, place] if groups else np.zeros(0)) * (-1 if difference < 0 else 1)
        note = f"real {a.share[item]:.4f}, synthetic {b.share[item]:.4f}"
        table, concept = names[item]
        n = int(min(a.ever[item], b.ever[item]))
        yield Score("prevalence_difference", abs(difference), spread, table, str(concept), n, note)
