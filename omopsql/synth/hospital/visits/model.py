"""The compiled layer of visits: the tables that they are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from omopsql.udfs import visits as kernel

from ..lives import Int32s, Int64s
from ..plan import Items, Plan
from ..sums import Sums
from .statistics import (
    BANDS,
    BANDS_LEFT,
    DETAILS,
    FOLLOWS,
    IN_DETAIL,
    LAG,
    LAST,
    LENGTHS,
    LINK,
    PRECEDING,
    REACH,
    REPEATS,
    SPAN,
    START,
    STAY,
    TOLD,
    WAITS,
)


class Shares(NamedTuple):
    """Bins with weights, by group: those of group g are ``starts[g]`` to ``starts[g + 1]``."""

    starts: Int64s
    cumulative: Int64s
    low: Int64s
    high: Int64s

    @classmethod
    def of(cls, group: Int64s, low: Int64s, high: Int64s, n: Int64s, groups: int) -> Shares:
        """Make the tables of bins ``low`` to ``high`` (ends included) with weights ``n``, in any order."""
        kept = (group >= 0) & (n > 0)
        group, low, high, n = group[kept], low[kept], high[kept], n[kept]
        order = np.lexsort((low, group))
        starts = np.searchsorted(group[order], np.arange(groups + 1)).astype(np.int64)
        running = np.cumsum(n[order])
        before = np.concatenate([np.zeros(1, np.int64), running])[starts[:-1]]
        return cls(starts, running - np.repeat(before, np.diff(starts)), low[order], high[order])

    @property
    def states(self) -> tuple[Int64s, Int64s, Int64s]:
        """The same for bins of one number each: starts, weights, numbers."""
        return self.starts, self.cumulative, self.low


@dataclass(frozen=True)
class VisitModel:
    """The compiled layer. Kinds of visits count through the items of visit_occurrence, and then those of details."""

    items: Int32s
    visit_of: Int64s
    needs_visit: npt.NDArray[np.bool_]
    links: Shares
    repeats: Shares
    lags: Shares
    stays: Shares
    reaches: Shares
    told: Shares
    start_minutes: Shares
    spans: Shares
    end_minutes: Shares
    detail_concepts: Int64s
    details: Shares
    follows: Shares
    waits: Shares
    lengths: Shares
    preceding: dict[int, bool]
    in_detail: dict[int, bool]


def compiled(released: Sums, plan: Plan) -> VisitModel:
    """Make the tables that visits are drawn from, out of released sums."""
    items = plan.items
    own = items.of_table("visit_occurrence")
    kinds = {concept: kind for kind, concept in enumerate(items.concept[own].tolist())}
    visit_of = np.full(max(len(items), 1), -1, np.int64)
    visit_of[own] = np.arange(len(own))
    links, needs = _links(released, items, kinds)
    details = sorted({row[-1] for row in released.get(FOLLOWS, 3)[0].tolist()})
    places = {concept: len(own) + place for place, concept in enumerate(details)}
    of_details = len(kinds) + len(places)
    return VisitModel(
        items=own.astype(np.int32),
        visit_of=visit_of,
        needs_visit=needs,
        links=links,
        repeats=_by_item(released, REPEATS, items),
        lags=_by_item(released, LAG, items),
        stays=_stays(released, kinds),
        reaches=_reaches(released, kinds),
        told=_by_kind(released, TOLD, kinds, 0),
        start_minutes=_by_kind(released, START, kinds, 1),
        spans=_by_kind(released, SPAN, kinds, 1),
        end_minutes=_by_kind(released, LAST, kinds, 1),
        detail_concepts=np.array(details, np.int64),
        details=_by_kind(released, DETAILS, kinds, 1),
        follows=_follows(released, kinds, places),
        waits=_by_kind(released, WAITS, places, 1, of_details),
        lengths=_by_kind(released, LENGTHS, places, 1, of_details),
        preceding=_usual(released, PRECEDING),
        in_detail=_usual(released, IN_DETAIL),
    )


def _links(released: Sums, items: Items, kinds: dict[int, int]) -> tuple[Shares, npt.NDArray[np.bool_]]:
    """The links of each item, and whether it needs a visit: always seen in one."""
    keys, n = released.get(LINK, 3)
    item = items.find(keys[:, 0], keys[:, 1])
    state = np.array(
        [kinds.get(concept, kernel.OUTSIDE) if concept >= 0 else concept for concept in keys[:, 2].tolist()], np.int64
    )
    linked, apart = (np.zeros(max(len(items), 1), np.bool_) for _ in range(2))
    linked[item[(state >= 0) & (item >= 0)]] = True
    apart[item[(keys[:, 2] == kernel.OUTSIDE) & (item >= 0)]] = True
    return Shares.of(item, state, state, n, len(items)), linked & ~apart


def _by_item(released: Sums, statistic: str, items: Items) -> Shares:
    """Bins by item and band; a band that was not released has those of its table."""
    keys, n = released.get(statistic, 5)
    group = items.find(keys[:, 0], keys[:, 1]) * BANDS + keys[:, 2]
    known = np.unique(group)
    parts = [np.column_stack([group, keys[:, 3:], n])]
    for table in np.unique(keys[:, 0]).tolist():
        of_table = np.flatnonzero(items.table == table)
        for band in range(BANDS):
            rows = (keys[:, 0] == table) & (keys[:, 2] == band)
            missing = np.setdiff1d(of_table * BANDS + band, known)
            bins = np.column_stack([keys[rows, 3:], n[rows]])
            parts.append(np.column_stack([np.repeat(missing, len(bins)), np.tile(bins, (len(missing), 1))]))
    bins = np.concatenate(parts)
    return Shares.of(bins[:, 0], bins[:, 1], bins[:, 2], bins[:, 3], max(len(items), 1) * BANDS)


def _by_kind(released: Sums, statistic: str, kinds: dict[int, int], pooled: int, groups: int | None = None) -> Shares:
    """Bins by kind, of ``groups`` kinds in all; ``pooled`` is 1 for bins that have a first and a last number."""
    keys, n = released.get(statistic, 2 + pooled)
    return Shares.of(_places(keys[:, 0], kinds), keys[:, 1], keys[:, -1], n, len(kinds) if groups is None else groups)


def _stays(released: Sums, kinds: dict[int, int]) -> Shares:
    """Stays by kind and band of the time left; a band that was not released has those of the whole kind."""
    keys, n = released.get(STAY, 4)
    kind = _places(keys[:, 0], kinds)
    group = kind * BANDS_LEFT + keys[:, 1]
    parts = [np.column_stack([group, keys[:, 2:], n])]
    for missing in np.setdiff1d(np.arange(len(kinds) * BANDS_LEFT), group).tolist():
        rows = kind == missing // BANDS_LEFT
        parts.append(np.column_stack([np.full(rows.sum(), missing), keys[rows, 2:], n[rows]]))
    bins = np.concatenate(parts)
    return Shares.of(bins[:, 0], bins[:, 1], bins[:, 2], bins[:, 3], len(kinds) * BANDS_LEFT)


def _reaches(released: Sums, kinds: dict[int, int]) -> Shares:
    keys, n = released.get(REACH, 4)
    group = (_places(keys[:, 0], kinds) * BANDS_LEFT + keys[:, 1]) * 2 + keys[:, 2]
    group[_places(keys[:, 0], kinds) < 0] = -1
    return Shares.of(group, keys[:, 3], keys[:, 3], n, len(kinds) * BANDS_LEFT * 2)


def _follows(released: Sums, kinds: dict[int, int], places: dict[int, int]) -> Shares:
    keys, n = released.get(FOLLOWS, 3)
    before = np.where(keys[:, 0] == 1, _places(keys[:, 1], kinds), _places(keys[:, 1], places))
    after = _places(keys[:, 2], places)
    return Shares.of(before, after, after, n, len(kinds) + len(places))


def _places(concepts: Int64s, places: dict[int, int]) -> Int64s:
    return np.array([places.get(concept, -1) for concept in concepts.tolist()], np.int64)


def _usual(released: Sums, statistic: str) -> dict[int, bool]:
    """Whether something is told in most records, by table."""
    keys, n = released.get(statistic, 2)
    told: dict[int, int] = {}
    for (table, state), persons in zip(keys.tolist(), n.tolist(), strict=True):
        told[table] = told.get(table, 0) + (persons if state else -persons)
    return {table: balance > 0 for table, balance in told.items()}
