"""Which items have a rhythm: their times hang on each other, as those of doses, cycles, check-ups and relapses do."""

from __future__ import annotations

import numpy as np

from ..plan import Items
from ..sums import Ints, Sums
from .first_round import AGES, YEAR

_GRID = 0.08  # share of one gap among all that makes a rhythm
_QUICK = 400  # days: a median gap below this makes a rhythm, too
_CLUSTERED = 1 / 3  # and one below such a share of what it would be if times had nothing to do with each other
_OF_SPAN = 1 - 0.5**0.5  # the median distance of two days that are anywhere in a span
_AGES_DRAWN = 64


def rhythms(margins: Sums, items: Items) -> tuple[np.ndarray, np.ndarray]:
    """Mark the items one of whose gaps is frequent, and all that have a rhythm.

    The others are those whose times lie near to each other: within a year or so, or in clusters in the span in which
    they might lie, as infections that come back for some years.
    """
    share, median = _gaps(margins, items)
    is_grid = share >= _GRID
    return is_grid, is_grid | (median < np.maximum(_CLUSTERED * _by_chance(margins, items), _QUICK))


def _gaps(margins: Sums, items: Items) -> tuple[np.ndarray, np.ndarray]:
    """The share of the most frequent gap of each item, and its median gap in days."""
    share, median = np.zeros(len(items)), np.full(len(items), np.inf)
    for x, (bins, n) in _by_item(margins, items, "events.gap", 4).items():
        total = n.sum()
        share[x] = (n * (bins[:, 0] == bins[:, 1])).max() / total
        median[x] = bins[np.searchsorted(np.cumsum(n), total / 2)].mean()
    return share, median


def _by_chance(margins: Sums, items: Items) -> np.ndarray:
    """The median gap in days that each item would have if its times were drawn anew, each by itself.

    Two times lie as far apart as its ages do, or as days of an observation of median length; of more, neighbours are
    nearer to each other.
    """
    years, persons = margins.get("events.years", 2)
    observed, longest = ((_reached(years, persons, share) + 1.0) for share in (0.5, 1.0))
    bounds = np.concatenate([[0.0], AGES, [max(longest, AGES[-1] + 1.0)]]) * YEAR
    apart, times = np.full(len(items), np.inf), np.full(len(items), 2.0)
    for x, (bands, n) in _by_item(margins, items, "events.age", 3).items():
        below = np.concatenate([[0.0], np.cumsum(np.bincount(bands[:, 0], n, len(bounds) - 1))])
        ages = np.interp(np.linspace(0, 1, _AGES_DRAWN + 2)[1:-1], below / below[-1], bounds)
        apart[x] = np.median(np.abs(ages[:, None] - ages[None, :]))
    for x, (bins, n) in _by_item(margins, items, "events.days", 4).items():
        again = bins[:, 1] > 1
        if again.any():
            times[x] = (n * np.maximum(bins.mean(axis=1), 2.0))[again].sum() / n[again].sum()
    return np.asarray(np.minimum(apart, _OF_SPAN * observed * YEAR) * 3.0 / (times + 1.0))


def _reached(bins: Ints, n: Ints, share: float) -> float:
    """The last number of the bin that a share of the persons reaches; 0 without persons."""
    reached = np.searchsorted(np.cumsum(n), share * n.sum())
    return float(bins[min(reached, len(n) - 1), 1]) if len(n) else 0.0


def _by_item(margins: Sums, items: Items, statistic: str, width: int) -> dict[int, tuple[Ints, Ints]]:
    """The bins or bands that a statistic (keys of ``width`` numbers) tells of each item, and their persons."""
    keys, n = margins.get(statistic, width)
    item = items.find(keys[:, 0], keys[:, 1])
    return {int(x): (keys[item == x, 2:], n[item == x]) for x in np.unique(item[item >= 0])}
