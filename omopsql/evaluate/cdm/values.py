"""Measured values: how they are distributed, vary within a person, go on in time, and go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import ndtri

from .histories import Doubles, Ints, Measured
from .hospitals import Comparison, Hospital, Hospitals
from .scores import Additive, Sample, Score, averaged, each, ks, scored, total

NEEDS = {
    "value_ks": "needs a concept and unit measured as a number in 20 real persons",
    "person_mean_ks": "needs a concept and unit measured as a number in 20 real persons",
    "person_variability_ks": "needs a concept and unit measured 3 times in each of 20 real persons",
    "autocorrelation_difference": "needs a concept and unit with 100 pairs of values that follow each other",
    "measurement_correlation_difference": "needs two concepts and units measured in the same 50 real persons",
}
_LEAST_PERSONS, _LEAST_VALUES, _LEAST_PAIRS, _LEAST_TOGETHER = 20, 3, 100, 50
_MOST_VARIABLES = 100


def scores(of: Comparison) -> Iterator[Score]:
    """Score values of each variable, means over variables, and correlations between them.

    Correlations are those of normal scores by the rank among the real values.
    """
    often = _measured_often(of.hospitals)
    names = of.hospitals.variables.names()
    reference = _by_variable(of.hospitals.real.measured, often)
    courses = [_Course(side, often, reference) for side in of.sides]
    told = [names[variable] for variable in often]
    for metric, samples in (
        ("value_ks", [course.values for course in courses]),
        ("person_mean_ks", [course.means for course in courses]),
        ("person_variability_ks", [course.spreads for course in courses]),
    ):
        yield from _each_variable(of, metric, samples, told)
    yield from _autocorrelations(of, courses, told)
    apart = partial(_correlation_difference, of.least(_LEAST_TOGETHER))
    difference = each(apart, *(course.correlations(of.groups) for course in courses))["difference"]
    yield scored("measurement_correlation_difference", difference, of.persons)


def _measured_often(hospitals: Hospitals) -> Ints:
    """The variables that were measured in most real persons."""
    measured, variables = hospitals.real.measured, len(hospitals.variables)
    known = np.unique(measured.variable * max(len(hospitals.real.people), 1) + measured.person)
    persons = np.bincount(known // max(len(hospitals.real.people), 1), minlength=variables)
    often = np.argsort(-persons, kind="stable")[:_MOST_VARIABLES]
    return often[persons[often] >= _LEAST_PERSONS]


def _by_variable(measured: Measured, often: Ints) -> list[Doubles]:
    """The sorted values of each variable."""
    order = np.lexsort((measured.value, measured.variable))
    starts = np.searchsorted(measured.variable[order], often)
    ends = np.searchsorted(measured.variable[order], often, "right")
    return [measured.value[order[start:end]] for start, end in zip(starts, ends, strict=True)]


def _each_variable(of: Comparison, metric: str, samples: list[list[Sample]], names: list[str]) -> Iterator[Score]:
    """The distance of each variable that enough real persons have, and their mean."""
    found, told = [], []
    for name, real, synthetic in zip(names, samples[0], samples[1], strict=True):
        if real.value.size >= of.least(_LEAST_PERSONS):
            found.append(ks([real, synthetic], of.groups))
            told.append((name, min(real.value.size, synthetic.value.size)))
    yield scored(metric, averaged(found), of.persons)
    for (name, n), distance in zip(told, found, strict=True):
        yield scored(metric, distance, n, "measurement", name)


@dataclass(frozen=True)
class Products(Additive):
    """Sums of pairs of numbers: how many, their sums, squares and products; each float64, of any one shape."""

    n: Doubles
    x: Doubles
    y: Doubles
    xx: Doubles
    yy: Doubles
    xy: Doubles

    def correlation(self, least: int) -> Doubles:
        """Pearson's correlation; NaN where there are fewer pairs than ``least``, or no spread."""
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance = self.xy - self.x * self.y / self.n
            spread = (self.xx - self.x**2 / self.n) * (self.yy - self.y**2 / self.n)
            return np.where((self.n >= least) & (spread > 1e-12), covariance / np.sqrt(spread), np.nan)


class _Course:
    """The values of one side by person and variable, in the order of time, and their normal scores."""

    def __init__(self, side: Hospital, often: Ints, reference: list[Doubles]) -> None:
        column = np.full(int(max(side.measured.variable.max(initial=0), often.max(initial=0))) + 1, -1)
        column[often] = np.arange(often.size)
        measured = side.measured.kept(column[side.measured.variable] >= 0)
        self.people, self.variables = side.people, often.size
        order = np.lexsort((measured.minute, column[measured.variable], measured.person))
        self.person, self.value = measured.person[order], measured.value[order]
        self.variable = column[measured.variable][order]
        self.score = _normal_scores(self.variable, self.value, reference)
        changed = np.ones(self.value.size, bool)
        changed[1:] = (np.diff(self.person) != 0) | (np.diff(self.variable) != 0)
        self.starts = np.flatnonzero(changed)
        self.lengths = np.diff(np.append(self.starts, self.value.size))

    @property
    def values(self) -> list[Sample]:
        """Every value, by variable."""
        return self._split(self.variable, self.value, self.person)

    @property
    def means(self) -> list[Sample]:
        """Each person's mean, by variable."""
        return self._split(self.variable[self.starts], self._sums(self.value) / self.lengths, self.person[self.starts])

    @property
    def spreads(self) -> list[Sample]:
        """The standard deviation of each person's values, by variable, where there are three."""
        means = self._sums(self.value) / self.lengths
        apart = self._sums((self.value - np.repeat(means, self.lengths)) ** 2)
        enough = self.lengths >= _LEAST_VALUES
        starts = self.starts[enough]
        spread = np.sqrt(apart[enough] / (self.lengths[enough] - 1))
        return self._split(self.variable[starts], spread, self.person[starts])

    def followers(self, groups: int) -> list[Products]:
        """Normal scores and those that follow in the same person, by variable; of each group of persons."""
        again = np.ones(self.value.size, bool)
        again[self.starts] = False
        later = np.flatnonzero(again)
        group = self.people.group[self.person[later]] if groups else np.zeros(later.size, np.int64)
        cell, cells = group * self.variables + self.variable[later], max(groups, 1) * self.variables
        x, y = self.score[later - 1], self.score[later]
        sums = [
            np.bincount(cell, weights, minlength=cells).reshape(max(groups, 1), self.variables)
            for weights in (np.ones(later.size), x, y, x * x, y * y, x * y)
        ]
        return [Products(*part) for part in zip(*sums, strict=True)]

    def correlations(self, groups: int) -> list[Products]:
        """Persons' mean normal scores of each two variables, [variables, variables]; of each group of persons."""
        level = np.zeros((len(self.people), self.variables))
        known = np.zeros((len(self.people), self.variables))
        place = self.person[self.starts], self.variable[self.starts]
        level[place] = self._sums(self.score) / self.lengths
        known[place] = 1.0
        group = self.people.group if groups else np.zeros(len(self.people), np.int64)
        return [self._products(level[group == g], known[group == g]) for g in range(max(groups, 1))]

    @staticmethod
    def _products(level: Doubles, known: Doubles) -> Products:
        sums, squares = level.T @ known, (level**2).T @ known
        return Products(known.T @ known, sums, sums.T, squares, squares.T, level.T @ level)

    def _sums(self, numbers: Doubles) -> Doubles:
        """Sums over the values of each person and variable."""
        return np.add.reduceat(numbers, self.starts) if self.starts.size else np.zeros(0)

    def _split(self, variable: Ints, numbers: Doubles, person: Ints) -> list[Sample]:
        order = np.argsort(variable, kind="stable")
        ends = np.searchsorted(variable[order], np.arange(1, self.variables))
        group = self.people.group[person[order]]
        parts = zip(np.split(numbers[order], ends), np.split(group, ends), strict=True)
        return [Sample(*part) for part in parts][: self.variables]


def _normal_scores(variable: Ints, value: Doubles, reference: list[Doubles]) -> Doubles:
    """Normal scores of values by their middle rank among the reference's."""
    share = np.empty(value.size)
    order = np.argsort(variable, kind="stable")
    ends = np.searchsorted(variable[order], np.arange(len(reference) + 1))
    for ordered, start, end in zip(reference, ends, ends[1:], strict=False):
        own = order[start:end]
        below, above = (np.searchsorted(ordered, value[own], side) for side in ("left", "right"))
        share[own] = ((below + above) / 2 + 0.5) / (ordered.size + 1)
    return np.asarray(ndtri(np.clip(share, 1e-5, 1 - 1e-5)))


def _autocorrelations(of: Comparison, courses: list[_Course], names: list[str]) -> Iterator[Score]:
    """The difference of the correlation of each value with the next of the same person."""
    if not names:
        yield scored("autocorrelation_difference", np.full(1, np.nan), 0)
        return
    parts = [course.followers(of.groups) for course in courses]
    found = each(partial(_autocorrelation_differences, of.least(_LEAST_PAIRS)), *parts)
    pairs = np.minimum(*(total(part).n for part in parts)).astype(int).tolist()
    known = {place: found[str(place)] for place in range(len(names)) if not np.isnan(found[str(place)][0])}
    yield scored("autocorrelation_difference", averaged(list(known.values())), of.persons)
    for place, difference in known.items():
        yield scored("autocorrelation_difference", difference, pairs[place], "measurement", names[place])


def _autocorrelation_differences(least: int, real: Products, synthetic: Products) -> dict[str, float]:
    apart = np.abs(real.correlation(least) - synthetic.correlation(_LEAST_VALUES))
    return {str(place): float(difference) for place, difference in enumerate(apart)}


def _correlation_difference(least: int, real: Products, synthetic: Products) -> dict[str, float]:
    """Root mean square of the differences of correlations, over pairs that 50 real persons have and some synthetic."""
    above = np.triu_indices(len(real.n), 1)
    apart = (real.correlation(least) - synthetic.correlation(_LEAST_VALUES))[above]
    apart = apart[~np.isnan(apart)]
    return {"difference": float(np.sqrt((apart**2).mean())) if apart.size else np.nan}
