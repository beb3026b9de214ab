"""What the page draws of whole CDMs: how common concepts are, survival, and the course of measurements.

Nothing is drawn of fewer than ten real persons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.cdm.concepts import Prevalence
from omopsql.evaluate.cdm.histories import Measured
from omopsql.evaluate.cdm.hospitals import Hospitals
from omopsql.evaluate.cdm.survival import curves

from .margins import LEAST

_YEAR_OF_MINUTES = 525_960.0
_MOST_COURSES, _MOST_YEARS = 6, 10
_POINTS = 120  # of a curve of survival

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Course:
    """The mean of a measurement by time since a person's first one."""

    variable: str
    unit: str
    real: Points
    synthetic: Points


def prevalence(hospitals: Hospitals) -> Points:
    """Return the shares of real and of synthetic persons with each concept that enough real persons have."""
    items = len(hospitals.items)
    real, synthetic = (Prevalence.of(side.histories, items) for side in (hospitals.real, hospitals.synthetic))
    told = real.ever >= LEAST
    return list(zip(real.share[told].tolist(), synthetic.share[told].tolist(), strict=True))


def survival(hospitals: Hospitals) -> Iterator[tuple[str, Points, Points]]:
    """Yield curves of survival by years of follow-up: of whom, real and synthetic."""
    for found in curves(hospitals):
        yield found.subject, _thinned(found.real), _thinned(found.synthetic)


def _thinned(curve: np.ndarray) -> Points:
    """A curve by day at fewer days, as the page needs no more."""
    days = np.unique(np.linspace(0, len(curve) - 1, min(_POINTS, len(curve))).astype(int))
    return [(day / 365.25, float(curve[day])) for day in days]


def courses(hospitals: Hospitals) -> Iterator[Course]:
    """Yield the courses of the measurements that most real persons have."""
    measured = hospitals.real.measured
    variables = len(hospitals.variables)
    persons = _persons(measured, variables)
    for variable in np.argsort(-persons, kind="stable")[:_MOST_COURSES]:
        if persons[variable] < LEAST:
            continue
        real, synthetic = (_course(side.measured, int(variable)) for side in (hospitals.real, hospitals.synthetic))
        if real and synthetic:
            unit = "years since the first" if real[-1][0] > 1 else "years"
            yield Course(hospitals.variables.names()[variable], unit, real, synthetic)


def _persons(measured: Measured, variables: int) -> np.ndarray:
    known = np.unique(np.column_stack([measured.variable, measured.person]), axis=0)
    return np.bincount(known[:, 0], minlength=variables)


def _course(measured: Measured, variable: int) -> Points:
    """The mean by time since each person's first value, where enough persons have one: in ten equal steps."""
    mine = measured.kept(measured.variable == variable)
    if not len(mine):
        return []
    first = np.full(int(mine.person.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, mine.person, mine.minute)
    years = (mine.minute - first[mine.person]) / _YEAR_OF_MINUTES
    width = max(float(np.quantile(years, 0.95)), 1e-6) / _MOST_YEARS
    step = np.minimum((years / width).astype(np.int64), _MOST_YEARS)
    persons = np.bincount(np.unique(step * len(first) + mine.person) // len(first), minlength=_MOST_YEARS + 1)
    total = np.bincount(step, mine.value, minlength=_MOST_YEARS + 1)
    count = np.bincount(step, minlength=_MOST_YEARS + 1)
    return [((s + 0.5) * width, float(total[s] / count[s])) for s in range(_MOST_YEARS) if persons[s] >= LEAST]
