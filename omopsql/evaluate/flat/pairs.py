"""Two columns at a time: whether synthetic columns belong together as the real ones do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np

from omopsql.evaluate.encode import label_codes
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Int64s, Sides
from omopsql.udfs.two_samples import correlation_ratio, cramers_v, pearson

from .coded import Coded
from .contrast import Compared, Contrast, between, by_cells, unknown

_MOST_VALUES = 100  # a label of more values belongs to everything by chance
_ONE_VALUE = "a column has one value only"


def metrics(compared: Compared, coded: Iterable[Coded]) -> Iterator[Metric]:
    """Yield the metrics of pairs of columns. ``coded`` are the sides and the fresh ones."""
    yield from compared.metrics("pair_distance", map(pair_distances, coded), by_cells)
    yield from compared.metrics("correlation_difference", map(correlations, compared.every))
    yield from compared.metrics("cramers_v_difference", map(cramers_vs, compared.every))
    yield from compared.metrics("correlation_ratio_difference", map(correlation_ratios, compared.every))


def pair_distances(coded: Coded) -> Iterator[tuple[str, Contrast]]:
    """Yield the total variation distance of the joint distribution of each pair, numbers in bins."""
    for pair in combinations(range(len(coded.names)), 2):
        yield coded.subject(pair), coded.contrast(pair)


def correlations(sides: Sides) -> Iterator[tuple[str, Contrast]]:
    """Yield the difference of Pearson's correlations, of rows where both numbers are known."""
    for one, other in combinations(sides.numeric, 2):
        found = [pearson(side.numbers(one), side.numbers(other)) for side in (sides.real, sides.synthetic)]
        yield f"{one}, {other}", _difference([(r, added) for r, added, _ in found])


def cramers_vs(sides: Sides) -> Iterator[tuple[str, Contrast]]:
    """Yield the difference of Cramér's V of each pair of labels; a missing value is a value."""
    labels = _labels(sides)
    for one, other in combinations(labels, 2):
        (*a, a_size), (*b, b_size) = labels[one], labels[other]
        found = [cramers_v(x, y, a_size, b_size) for x, y in zip(a, b, strict=True)]
        yield f"{one}, {other}", _difference(found)


def correlation_ratios(sides: Sides) -> Iterator[tuple[str, Contrast]]:
    """Yield the difference of the correlation ratio η of each number in the groups of each label."""
    for label, (*codes, size) in _labels(sides).items():
        for number in sides.numeric:
            numbers = (side.numbers(number) for side in (sides.real, sides.synthetic))
            found = [correlation_ratio(group, size, y) for group, y in zip(codes, numbers, strict=True)]
            yield f"{label}, {number}", _difference(found)


def _labels(sides: Sides) -> dict[str, tuple[Int64s, Int64s, int]]:
    """The labels of not too many values, as codes of both sides and their number."""
    coded = {name: label_codes(sides, name) for name in sides.labels if name not in sides.identifiers}
    return {name: (one.sides[0], one.sides[1], one.size) for name, one in coded.items() if one.size <= _MOST_VALUES}


def _difference(found: list[tuple[float, Doubles]]) -> Contrast:
    (of_real, real), (of_synthetic, synthetic) = found
    if np.isnan(of_real) or np.isnan(of_synthetic):
        return unknown(_ONE_VALUE)
    return between(of_real, real, of_synthetic, synthetic)
