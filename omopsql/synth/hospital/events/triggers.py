"""What triggers what: drivers that follow another within a year more often than by chance, and after how many days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sums import Ints, Sums
from .second_round import LONGEST_LAG
from .structure import Structure
from .tables import NO_BINS, Bins, BinTable

MOST = 3  # triggers of one driver
WITHIN = 365  # days
_ERRORS, _TIMES = 2.5, 2.0  # how far a bin must stand above chance
_FEWEST, _LEAST = 8.0, 0.04  # persons in excess, and their share of those who have both
_NEAR_BEST = 0.5
_ALL, _CLOSE = 0.85, 0.75  # above: always triggered; the bins as they are


@dataclass(frozen=True)
class Triggers:
    """Up to MOST parents of each driver (-1: none), with the chance of each, and rows of lags (items * MOST)."""

    parent: Ints
    chance: np.ndarray
    lags: BinTable
    order: list[tuple[int, int]]  # parent, child


@dataclass(frozen=True)
class _Pair:
    """A parent before a child: the bins, those in excess of chance, and how many persons have both."""

    bins: Bins
    excess: np.ndarray
    persons: float

    @property
    def score(self) -> float:
        return float(self.excess.sum())

    @property
    def gain(self) -> float:
        """How much likelier the lags are made: the sharper and the farther above chance, the more."""
        taken = self.excess > 0
        excess, width = self.excess[taken], (self.bins[1] - self.bins[0] + 1)[taken]
        return float((excess * np.log(WITHIN * excess / width / max(self.score, 1e-9))).sum())


def compiled_triggers(
    released: Sums, structure: Structure, n: Ints, both: np.ndarray, children: np.ndarray, parents: np.ndarray
) -> Triggers:
    """Choose triggers among drivers: ``children`` may have one, ``parents`` may be one."""
    items = len(n)
    found = _pairs(released, n, both, children, parents)
    score = np.zeros((items, items))
    gain = np.zeros((items, items))
    before = np.zeros((items, items))  # the share of the row's persons for whom the column stood within a year before
    for (later, earlier), pair in found.items():
        score[later, earlier] = pair.score if pair.score >= _FEWEST and pair.score > _LEAST * pair.persons else 0.0
        gain[later, earlier] = pair.gain
        before[later, earlier] = min(pair.bins[2][pair.bins[1] <= WITHIN].sum() / max(n[later], 1), 1.0)
    score[score < score.T] = 0.0  # one direction must dominate
    parent = np.full((items, MOST), -1, np.int64)
    chance = np.zeros((items, MOST))
    rows: list[Bins] = [NO_BINS] * (items * MOST)
    reach, order = np.eye(items, dtype=bool), []
    left = score.copy()
    for k in range(MOST):
        for child, chosen in _ranked(left, gain):
            if parent[child, k] >= 0 or reach[child, chosen]:
                continue
            pair = found[child, chosen]
            parent[child, k] = chosen
            chance[child, k], rows[child * MOST + k] = _told(pair, n[chosen], min(left[child, chosen], pair.score))
            reach |= np.outer(reach[:, chosen], reach[child])
            order.append((chosen, child))
            left[child] -= score[child, chosen] * before[chosen]  # what stood before the parent is explained by it
            left[child, chosen] = 0.0
        left[(left < _FEWEST) | (left < 0.5 * score)] = 0.0
    return Triggers(parent, chance, BinTable.of(rows), order)


def _pairs(
    released: Sums, n: Ints, both: np.ndarray, children: np.ndarray, parents: np.ndarray
) -> dict[tuple[int, int], _Pair]:
    keys, counts = released.get("events.lag", 4)
    bounds = np.flatnonzero(np.any(keys[1:, :2] != keys[:-1, :2], axis=1)) + 1 if len(keys) else np.zeros(0, int)
    found = {}
    for rows in np.split(np.arange(len(keys)), bounds) if len(keys) else []:
        child, parent = int(keys[rows[0], 0]), int(keys[rows[0], 1])
        if children[child] and parents[parent]:
            bins = (keys[rows, 2], keys[rows, 3], counts[rows].astype(float))
            allows_same_day = (n[child], -child) < (n[parent], -parent)
            found[child, parent] = _excess(bins, max(both[child, parent], bins[2].sum()), allows_same_day)
    return found


def _excess(bins: Bins, persons: float, allows_same_day: bool) -> _Pair:
    """What stands above the rate of the time beyond a year, bin by bin."""
    low, high, n = bins
    width = (high - low + 1).astype(float)
    waiting = persons - np.concatenate([[0.0], np.cumsum(n)[:-1]]) - n / 2
    is_far = high > WITHIN
    nearer = n[~is_far].sum()
    far_days = (persons - nearer - n[is_far].sum() / 2) * (LONGEST_LAG - WITHIN)
    rate = n[is_far].sum() / max(far_days, 1.0)
    expected = rate * width * np.maximum(waiting, 0)
    excess = n - expected
    excess[is_far | (excess < _ERRORS * np.sqrt(expected + 0.3)) | (n < _TIMES * expected)] = 0.0
    if not allows_same_day:
        excess[(low == 0) & (high == 0)] = 0.0
    return _Pair(bins, np.maximum(excess, 0.0), persons)


def _ranked(score: np.ndarray, gain: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (child, parent) near the child's best; those first that tell most about the day."""
    best = score.max(1, keepdims=True, initial=0.0)
    child, parent = np.nonzero((score > 0) & (score >= _NEAR_BEST * best))
    order = np.lexsort((parent, child, -gain[child, parent]))
    return list(zip(child[order].tolist(), parent[order].tolist(), strict=True))


def _told(pair: _Pair, parents: int, score: float) -> tuple[float, Bins]:
    """The chance that the child is triggered, and the bins of the lag."""
    low, high, n = pair.bins
    share = score / max(pair.persons, 1.0)
    chance = 1.0 if pair.score > _ALL * max(parents, 1) else min(share, 1.0)
    weight = pair.excess
    if share > _CLOSE:  # nearly always: take the bins as they are, up to the last in excess
        last = np.flatnonzero(pair.excess)[-1]
        weight = np.where(np.arange(len(n)) <= last, n, 0.0)
        chance = max(chance, min(weight.sum() / pair.persons, 1.0))
    kept = weight > 0
    return chance, (low[kept], high[kept], weight[kept])
