"""Classifier two-sample tests: how well boosted trees tell synthetic persons from real ones, by what they see of them.

The AUROC's interval is DeLong's; that the trees were fitted to the same persons in other folds is left out of it.
Source: D. Lopez-Paz, M. Oquab, Revisiting classifier two-sample tests, ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omopsql.evaluate.flat.classifier import auroc
from omopsql.evaluate.metric import Metric

from .distances import told_apart
from .histories import Doubles
from .hospitals import Comparison, Hospital, Hospitals
from .observed import Observed
from .persons import Persons, vectors
from .sequences import sequence_features

MOST_PERSONS = 4_000  # of a side
_LEAST_PERSONS = 20
_MOST_ITEMS = 400
_TOO_FEW = f"needs {_LEAST_PERSONS} persons on both sides"
_DRAWN = "{0:,} and {1:,} persons were drawn"


def metrics(hospitals: Hospitals, seed: int) -> Iterator[Metric]:
    """Tell persons apart by what they have (their vectors), and by the sequence of their records."""
    drawn, reference = (_drawn(of, seed) for of in (hospitals.comparison(), hospitals.reference()))
    for name, see in (("person_c2st_auroc", _as_vectors), ("sequence_c2st_auroc", _as_sequences)):
        sides = [len(side.people) for side in (drawn.real, drawn.synthetic)]
        if min(sides) < _LEAST_PERSONS:
            yield Metric(name, None, n=min(sides), note=_TOO_FEW)
            continue
        value, low, high = _apart(*see(drawn), seed)
        own = _apart(*see(reference), seed)[0] if _is_enough(reference) else None
        told = _DRAWN.format(*sides) if sides != [len(s.people) for s in hospitals.every[:2]] else ""
        yield Metric(name, value, low, high, own, n=min(sides), note=told)


def _is_enough(hospitals: Hospitals) -> bool:
    return min(len(hospitals.real.people), len(hospitals.synthetic.people)) >= _LEAST_PERSONS


def _drawn(of: Comparison, seed: int) -> Hospitals:
    """Both sides with at most 4,000 persons, drawn by the seed."""
    real, synthetic = (_some(side, seed) for side in of.sides)
    return Hospitals(real, synthetic, None, of.hospitals.items, of.hospitals.variables)


def _some(side: Hospital, seed: int) -> Hospital:
    if len(side.people) <= MOST_PERSONS:
        return side
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(side.people))
    return side.taken(np.sort(order[:MOST_PERSONS]))


def _as_vectors(hospitals: Hospitals) -> tuple[Doubles, Doubles]:
    persons: Persons = vectors(hospitals)
    return persons.sides[0], persons.sides[1]


def _as_sequences(hospitals: Hospitals) -> tuple[Doubles, Doubles]:
    items = min(len(hospitals.items), _MOST_ITEMS)
    real, synthetic = (Observed(side.histories.folded(), items) for side in (hospitals.real, hospitals.synthetic))
    return sequence_features(real, synthetic)


def _apart(real: Doubles, synthetic: Doubles, seed: int) -> tuple[float, float, float]:
    """AUROC and its interval; chance alone where persons do not differ in anything."""
    if not real.shape[1]:
        return 0.5, 0.5, 0.5
    looks = told_apart(real, synthetic, seed)
    return auroc(looks[: len(real)], looks[len(real) :])
