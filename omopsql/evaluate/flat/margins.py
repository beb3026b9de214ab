"""One column at a time: how far its synthetic values are from the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.encode import label_codes
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Side, Sides
from omopsql.udfs.two_samples import joint_difference, ordered_gaps

from .contrast import Compared, Contrast, among_all, between, by_cells, unknown


def metrics(compared: Compared) -> Iterator[Metric]:
    """Yield the metrics of single columns: distances of numbers and of labels, and of the shares of missing values."""
    numbers = [dict(numbers_apart(sides)) for sides in compared.every]
    yield from compared.metrics("ks_distance", ([(name, apart.ks) for name, apart in one.items()] for one in numbers))
    moves = ([(name, apart.wasserstein) for name, apart in one.items()] for one in numbers)
    yield from compared.metrics("wasserstein", moves)
    yield from compared.metrics("total_variation", map(total_variations, compared.every), by_cells)
    lacking = [name for name in compared.sides.columns if _has_missing(compared.sides, name)]
    yield from compared.metrics(
        "missing_share_difference", (missing_shares(sides, lacking) for sides in compared.every)
    )


@dataclass(frozen=True)
class Apart:
    """How far the known numbers of a column are apart.

    ``ks`` is the distance of Kolmogorov and Smirnov: of the distribution functions, at most. ``wasserstein`` is how
    far numbers have to move on average, in standard deviations of the real ones.
    """

    ks: Contrast
    wasserstein: Contrast


def numbers_apart(sides: Sides) -> Iterator[tuple[str, Apart]]:
    """Yield the distances of each column of numbers."""
    for name in sides.numeric:
        yield name, _apart(sides.real, sides.synthetic, name)


def _apart(real: Side, synthetic: Side, name: str) -> Apart:
    numbers = [side.numbers(name) for side in (real, synthetic)]
    known = [~np.isnan(x) for x in numbers]
    for side, is_known in zip((real, synthetic), known, strict=True):
        if not is_known.any():
            nothing = unknown(f"{side.name} has no number in it")
            return Apart(nothing, nothing)
    a, b = (x[is_known] for x, is_known in zip(numbers, known, strict=True))
    above, at_above, below, at_below, area, of_a, of_b = ordered_gaps(a, np.argsort(a), b, np.argsort(b))
    at = at_above if above >= below else at_below
    shares = [among_all(is_known, (x <= at).astype(float)) for is_known, x in zip(known, (a, b), strict=True)]
    ks = Contrast(max(above, below), shares[0], shares[1])
    moves = [among_all(is_known, added) for is_known, added in zip(known, (of_a, of_b), strict=True)]
    spread = float(a.std())
    if spread == 0.0 and area > 0.0:
        return Apart(ks, unknown(f"{real.name} has one number only"))
    unit = spread or 1.0
    return Apart(ks, Contrast(area / unit, moves[0] / unit, moves[1] / unit))


def total_variations(sides: Sides) -> Iterator[tuple[str, Contrast]]:
    """Yield the total variation distance of labels and of numbers of few values; a missing value is one, too."""
    for name in sides.columns:
        if name in sides.few_valued or (name in sides.labels and name not in sides.identifiers):
            coded = label_codes(sides, name)
            real, synthetic = (part[None, :] for part in coded.sides[:2])
            yield name, Contrast(*joint_difference(real, synthetic, np.array([coded.size])))


def missing_shares(sides: Sides, columns: Iterable[str]) -> Iterator[tuple[str, Contrast]]:
    """Yield how far the shares of missing values of some columns are apart."""
    for name in columns:
        real, synthetic = _is_missing(sides.real, sides, name), _is_missing(sides.synthetic, sides, name)
        yield name, between(real.mean(), real, synthetic.mean(), synthetic)


def _has_missing(sides: Sides, name: str) -> bool:
    return any(_is_missing(side, sides, name).any() for side in (sides.real, sides.synthetic))


def _is_missing(side: Side, sides: Sides, name: str) -> Doubles:
    if name in sides.numeric:
        return np.isnan(side.numbers(name)).astype(float)
    missing: Doubles = side.table[name].is_null().to_numpy().astype(float)
    return missing
