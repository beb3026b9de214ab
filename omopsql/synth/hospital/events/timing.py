"""When drivers occur: on the axis on which they are densest, as rates over the persons who could have had them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sums import Ints, Sums
from .first_round import YEAR
from .second_round import AGAIN, ALL, CLASSES
from .structure import Structure
from .tables import NO_BINS, Bins, BinTable, grouped

BIRTH, START, END, LEFT = range(4)  # what days are counted from; LEFT: the last day from the end
AXES = ("events.birth", "events.start", "events.end", "events.left")
_PREFERENCE = 0.1  # nats by which another axis must be denser than age
_HOLE = 20  # persons, standing as close as beside a hole between two bins: if it would hold more, it is no accident
_FEWEST = 3.0  # persons that a rate is over, at least
_TELLING = 60  # persons behind the histogram of a class that stands for itself
_KNOWN = 30  # persons that tell how soon an item comes again
CLASS_COUNT = len(CLASSES) + 1


@dataclass(frozen=True)
class Timing:
    """``axis`` (items); ``when`` and ``gaps``: a row for each item and class; ``again`` (items, bands): ratios."""

    axis: Ints
    when: BinTable
    gaps: BinTable
    again: np.ndarray


def compiled_timing(released: Sums, structure: Structure, items: int) -> Timing:
    """Turn released histograms into rates."""
    by_axis = [grouped(*released.get(statistic, 4), 2) for statistic in AXES]
    exposure = _Exposure(released)
    rhythm = grouped(*released.get("events.rhythm", 4), 2)
    axis = np.zeros(items, np.int64)
    when: list[Bins] = []
    gaps: list[Bins] = []
    for x in range(items):
        axis[x] = _densest([found.get((x, ALL), NO_BINS) for found in by_axis])
        found = by_axis[axis[x]]
        when.extend(exposure.rates(*_told(found, x, c), int(axis[x])) for c in range(CLASS_COUNT))
        gaps.extend(_told(rhythm, x, c)[0] for c in range(CLASS_COUNT))
    return Timing(axis, BinTable.of(when), BinTable.of(gaps), _again(released, items))


def _told(found: dict[tuple[int, ...], Bins], x: int, c: int) -> tuple[Bins, tuple[int, int]]:
    """The histogram of a class, or that of all classes where too few persons stand behind it; and which it is."""
    own = found.get((x, c), NO_BINS)
    if own[2].sum() >= _TELLING:
        return own, (x, c)
    return found.get((x, ALL), NO_BINS), (x, ALL)


def _densest(histograms: list[Bins]) -> int:
    """The axis of the least entropy; age unless another is clearly denser."""
    entropy = [_entropy(bins) for bins in histograms]
    entropy[BIRTH] -= _PREFERENCE
    return int(np.argmin(entropy))


def _entropy(bins: Bins) -> float:
    low, high, weight = bins
    if not len(low):
        return np.inf
    share = weight / weight.sum()
    years = np.maximum((high - low + 1) / YEAR, 1.0)  # single days are not denser than years
    return float(-(share * np.log(share / years)).sum())


class _Exposure:
    """How many persons with a driver could have had it at an age, or so long after the start of observation."""

    def __init__(self, released: Sums) -> None:
        self._from = grouped(*released.get("events.from", 4), 2)
        self._until = grouped(*released.get("events.until", 4), 2)
        self._span = grouped(*released.get("events.span", 4), 2)

    def rates(self, bins: Bins, key: tuple[int, int], axis: int) -> Bins:
        low, high, weight = _touching(bins)
        if not len(low):
            return bins
        middle = (low + high) / 2 / YEAR
        if axis == BIRTH:
            exposed = _at_least(self._until.get(key, NO_BINS), middle)
            exposed = exposed - _above(self._from.get(key, NO_BINS), middle)
        else:
            exposed = _at_least(self._span.get(key, NO_BINS), middle)
        return low, high, weight / np.maximum(exposed, _FEWEST) * weight.sum()


def _touching(bins: Bins) -> Bins:
    """The same persons on bins that meet halfway, unless the hole between them is far too wide to be chance.

    Bins end where persons of the source stand, and those too far from all others are in none: nobody is told of in the
    holes, but others of the same kind stand there. Bins of a single number stay as they are.
    """
    low, high, n = bins[0].copy(), bins[1].copy(), bins[2]
    apart = (high - low + 1) / np.maximum(n, 1)
    hole = low[1:] - high[:-1] - 1
    closes = (high > low)[1:] & (high > low)[:-1] & (hole <= _HOLE * np.maximum(apart[1:], apart[:-1]))
    high[:-1] += np.where(closes, hole // 2, 0)
    low[1:] = np.where(closes, high[:-1] + 1, low[1:])
    return low, high, n


def _at_least(bins: Bins, years: np.ndarray) -> np.ndarray:
    """How many reach each number of years, spread evenly inside the bins (whole years, first to last)."""
    low, high, n = bins
    if not len(low):
        return np.zeros_like(years)
    share = np.clip((high[None, :] + 1 - years[:, None]) / (high - low + 1)[None, :], 0, 1)
    return np.asarray((share * n[None, :]).sum(1))


def _above(bins: Bins, years: np.ndarray) -> np.ndarray:
    """How many start later than each age; those who start in their first year start at birth."""
    low, high, n = bins
    later = low > 0
    return _at_least((low[later], high[later], n[later]), years)


def _again(released: Sums, items: int) -> np.ndarray:
    """How often two of an item lie so near to each other, against the time from one to three years; at most 1."""
    table = np.zeros((items, len(AGAIN) + 1))
    keys, n = released.get("events.again", 2)
    table[keys[:, 0], keys[:, 1]] = n
    width = np.diff(np.concatenate([[0], AGAIN[:-1]]))
    background = table[:, len(AGAIN) - 1]
    expected = background[:, None] / (AGAIN[-1] - AGAIN[-2]) * width[None, :]
    ratio = np.minimum((table[:, : len(width)] + 0.5) / (expected + 0.5), 1.0)
    return np.asarray(np.where(background[:, None] >= _KNOWN, ratio, 1.0))
