"""The fidelity of a whole CDM: every metric of it, each with what real persons score against other real persons."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omopsql.evaluate.metric import Metric
from omopsql.session import Caller

from . import classifiers, concepts, missing, people, survival, times, values
from .hospitals import Comparison, Hospitals, open_hospitals
from .scores import Score, told

_TOPICS = (people, concepts, times, values, survival, missing)
_NEEDS = {metric: needs for topic in _TOPICS for metric, needs in topic.NEEDS.items()}


def metrics(caller: Caller, real: str, synthetic: str, holdout: str | None = None, seed: int = 0) -> Iterator[Metric]:
    """Compare two CDMs, folders or schemas; ``holdout`` is a CDM of real persons whom the model never saw.

    The reference is what the real side scores against the holdout, or one random half of the real persons against the
    other. Yields a metric for the whole and, where it has parts, one for each table, concept or group. What cannot be
    computed has no value and a note. Raises OmopsqlError when a CDM cannot be read or has no persons.
    """
    with caller.cursor() as cursor:
        hospitals = open_hospitals(cursor, real, synthetic, holdout, seed=seed, with_filled=True)
    yield from compared(hospitals, seed)


def compared(hospitals: Hospitals, seed: int = 0) -> Iterator[Metric]:
    """Compare CDMs that are open, as ``metrics`` does."""
    yield from counted(hospitals)
    yield from classifiers.metrics(hospitals, seed)


def counted(hospitals: Hospitals) -> Iterator[Metric]:
    """Compare what is counted and measured: all metrics but those of classifiers, which take most of the time."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found, reference = (list(_scores(of)) for of in (hospitals.comparison(), hospitals.reference()))
    yield from told(found, reference, _NEEDS)


def _scores(of: Comparison) -> Iterator[Score]:
    for topic in _TOPICS:
        yield from topic.scores(of)
