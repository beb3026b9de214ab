"""A difference of two samples, and what each row has to do with it: so its error is known, and that of a mean of many.

A distance is a difference of means over rows once the sign of each of its parts is taken as found; for a correlation a
row's part is its influence (F. R. Hampel, JASA 69 (1974) 383-393). The interval is value ± 1.96 standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import i0e, i1e

from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Sides

_NORMAL = 1.959963984540054
_MANY_ROWS = 10_000  # of the real side: its halves say by themselves what chance does
_SPLITS = 5
_ROWS_OF_CELL = np.logspace(-6, 12, 2000)
_BY_CHANCE = i0e(2 * _ROWS_OF_CELL) + i1e(2 * _ROWS_OF_CELL)  # half the mean of |X - Y| / λ of two Poisson numbers


@dataclass(frozen=True)
class Contrast:
    """A difference of real and synthetic: its value, and what each real (n) and synthetic (m) row adds to it.

    NaN: it could not be computed, and ``note`` says why.
    """

    value: float
    real: Doubles
    synthetic: Doubles
    note: str = ""

    @property
    def error(self) -> float:
        """The standard error of the value."""
        return float(np.sqrt(self.real.var() / len(self.real) + self.synthetic.var() / len(self.synthetic)))


def unknown(note: str) -> Contrast:
    """Return a contrast that could not be computed."""
    return Contrast(float("nan"), np.zeros(1), np.zeros(1), note)


def between(of_real: float, real: Doubles, of_synthetic: float, synthetic: Doubles) -> Contrast:
    """Return how far a statistic of one side is from that of the other."""
    sign = 1.0 if of_real >= of_synthetic else -1.0
    return Contrast(abs(of_real - of_synthetic), sign * real, sign * synthetic)


def among_all(known: npt.NDArray[np.bool_], added: Doubles) -> Doubles:
    """Write what the known rows add to their mean as what all rows add to it."""
    of_all = np.zeros(len(known))
    of_all[known] = (added - added.mean()) * (len(known) / len(added))
    return of_all


@dataclass
class _Mean:
    """The mean of contrasts, added up one by one: all of them at once would not fit into memory."""

    count: int = 0
    value: float = 0.0
    references: list[float] = field(default_factory=list)
    real: Doubles = field(default_factory=lambda: np.zeros(1))
    synthetic: Doubles = field(default_factory=lambda: np.zeros(1))

    def add(self, contrast: Contrast, reference: float | None) -> None:
        self.count += 1
        self.value += contrast.value
        self.references += [] if reference is None else [reference]
        self.real = self.real + contrast.real
        self.synthetic = self.synthetic + contrast.synthetic

    @property
    def reference(self) -> float | None:
        return float(np.mean(self.references)) if self.references else None

    def contrast(self) -> Contrast:
        return Contrast(self.value / self.count, self.real / self.count, self.synthetic / self.count)


Size = Callable[[float, Sides, Sides], float]


def by_root(reference: float, sides: Sides, fresh: Sides) -> float:
    """Return what a difference that is due to chance would be in as many rows as the sides have."""
    return reference * float(np.sqrt(_parts(sides) / _parts(fresh)))


def by_cells(reference: float, sides: Sides, fresh: Sides) -> float:
    """Return what a total variation distance due to chance would be in as many rows as the sides have.

    It falls with the root of the rows only where cells are well filled. Evenly filled cells whose distance is the one
    that was found are filled with more rows.
    """
    if reference <= 0.0:
        return 0.0
    rows = np.interp(-reference, -_BY_CHANCE, _ROWS_OF_CELL) * _parts(fresh) / _parts(sides)
    return float(np.interp(rows, _ROWS_OF_CELL, _BY_CHANCE))


def _parts(sides: Sides) -> float:
    return 1.0 / len(sides.real) + 1.0 / len(sides.synthetic)


Contrasts = Iterable[tuple[str, Contrast]]


@dataclass(frozen=True)
class Compared:
    """The sides, and fresh real data beside them: two real samples in their place, once or several times."""

    sides: Sides
    fresh: tuple[Sides, ...]

    @property
    def every(self) -> tuple[Sides, ...]:
        """The sides, then the fresh ones."""
        return (self.sides, *self.fresh)

    @property
    def rows(self) -> int:
        """The rows of the smaller side."""
        return min(len(self.sides.real), len(self.sides.synthetic))

    def metrics(self, metric: str, contrasts: Iterable[Contrasts], sized: Size = by_root) -> Iterator[Metric]:
        """Yield the mean of the contrasts of the sides, its subject empty, and then each.

        ``contrasts`` come first of the sides, then of the fresh ones; the means of those are the references.
        """
        of_sides, *of_fresh = contrasts
        references = self._references(of_fresh, sized)
        mean, each = _Mean(), []
        for subject, contrast in of_sides:
            each.append(_metric(metric, contrast, references.get(subject), subject, self.rows))
            if not np.isnan(contrast.value):
                mean.add(contrast, references.get(subject))
        if mean.count:
            yield _metric(metric, mean.contrast(), mean.reference, "", self.rows)
        elif each:
            yield Metric(metric, None, n=self.rows, note=each[0].note)
        yield from each

    def _references(self, of_fresh: Iterable[Contrasts], sized: Size) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for fresh, contrasts in zip(self.fresh, of_fresh, strict=True):
            for subject, contrast in contrasts:
                if not np.isnan(contrast.value):
                    found.setdefault(subject, []).append(sized(contrast.value, self.sides, fresh))
        return {subject: float(np.mean(values)) for subject, values in found.items()}


def compared(sides: Sides, seed: int) -> Compared:
    """Set fresh real data beside the sides: the holdout; else halves of the real side, of a small one several."""
    is_split_once = sides.holdout is not None or len(sides.real) >= _MANY_ROWS
    return Compared(sides, tuple(sides.fresh(seed + split) for split in range(1 if is_split_once else _SPLITS)))


def _metric(metric: str, contrast: Contrast, reference: float | None, subject: str, n: int) -> Metric:
    if np.isnan(contrast.value):
        return Metric(metric, None, subject=subject, n=n, note=contrast.note)
    half = _NORMAL * contrast.error
    low, high = max(contrast.value - half, 0.0), contrast.value + half
    return Metric(metric, contrast.value, low, high, reference, subject=subject, n=n)
