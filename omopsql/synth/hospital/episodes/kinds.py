"""The kinds of episodes that a model knows, decided from released margins: what they are of, and what begins them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..histograms import Bools, Lookup
from ..lives import Int64s
from ..plan import PERSONS, Plan
from ..sums import Sums
from .first_round import FIELD, JOINED_ITEM, KIND, LEVEL, NEAR, NEARNESS, NESTED
from .source import ANY, LIFE

OTHER = 0  # the object of episodes whose own object too few persons have
_CLOSE = 0.8  # records of a nearer class are taken if they do as well as this against all
_AMONG = 0.9  # items that do as well as this against the best begin episodes too
_LEAST = 0.25  # below this no record begins episodes of a kind


@dataclass(frozen=True)
class Kinds:
    """Kinds of episodes, sorted by concept and object; ``levels`` are their concepts.

    Records of item i begin episodes of the kinds ``item_kinds[starts[i]]`` to ``item_kinds[starts[i + 1]]``, up to
    ``reach`` days away. ``allowed`` (1 + levels, levels) tells which levels lie in a life (row 0) or in
    a level. ``joined`` (levels, items) tells of which items records
    may be linked to episodes; ``fields`` the concept of the key of each table that is linked, by the table's number.
    """

    concept: Int64s
    object: Int64s
    levels: Int64s
    starts: Int64s
    item_kinds: Int64s
    reach: Int64s
    allowed: Bools
    joined: Bools
    fields: dict[int, int]

    def __len__(self) -> int:
        return len(self.concept)

    @cached_property
    def level(self) -> Int64s:
        """The place of each kind's level."""
        return np.searchsorted(self.levels, self.concept)

    @property
    def arrays(self) -> tuple[Int64s, Int64s, Bools]:
        """What the kernels ask of kinds."""
        return self.reach, self.level, self.allowed

    @property
    def of_item(self) -> tuple[Int64s, Int64s]:
        """Which kinds the records of each item begin."""
        return self.starts, self.item_kinds

    @property
    def begins(self) -> Bools:
        """Whether records of each item begin episodes."""
        return np.diff(self.starts) > 0

    def find(self, concept: Int64s, of: Int64s) -> Int64s:
        """The kind of each concept and object: that of any other object where the own one is rare, -1 without any."""
        known = Lookup.of(np.column_stack([self.concept, self.object]))
        every = np.arange(len(self))
        own = known.find(np.column_stack([concept, of]), every)
        return np.where(own >= 0, own, known.find(np.column_stack([concept, np.full(len(of), OTHER)]), every))


def decided(plan: Plan) -> Kinds:
    """Decide on the kinds of a plan. Without episodes in its margins there are none."""
    margins, items = plan.margins, plan.items
    levels = margins.get(LEVEL, 1)[0][:, 0]
    own = margins.get(KIND, 2)[0]
    own = own[np.isin(own[:, 0], levels)]
    others = np.column_stack([levels, np.full(len(levels), OTHER)])
    keys = np.unique(np.concatenate([own, others]), axis=0)
    allowed = _nested(margins, levels)
    anchors, reach = _anchors(plan, keys, own)
    pairs = np.array([(item, kind) for kind, found in enumerate(anchors) for item in found], np.int64).reshape(-1, 2)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    starts = np.searchsorted(pairs[:, 0], np.arange(len(items) + 1)).astype(np.int64)
    fields, n = margins.get(FIELD, 2)
    order = np.lexsort((fields[:, 1], -n))[::-1]
    by_table: dict[int, int] = dict(fields[order].tolist())
    joined = _joined(plan, levels, by_table)
    return Kinds(keys[:, 0], keys[:, 1], levels, starts, pairs[:, 1].copy(), reach, allowed, joined, by_table)


def _nested(margins: Sums, levels: Int64s) -> Bools:
    allowed = np.zeros((1 + len(levels), len(levels)), np.bool_)
    for parent, concept in margins.get(NESTED, 2)[0].tolist():
        if concept in levels and (parent == LIFE or parent in levels):
            row = 0 if parent == LIFE else 1 + int(np.searchsorted(levels, parent))
            allowed[row, int(np.searchsorted(levels, concept))] = True
    return allowed


def _anchors(plan: Plan, keys: Int64s, own: Int64s) -> tuple[list[list[int]], Int64s]:
    """The items whose records begin episodes of each kind, and up to how many days away.

    They are those whose persons are most nearly the persons with such episodes: the share of these who have it there,
    times the share of all who have it.
    """
    margins = plan.margins
    named = {(c, o) for c, o in own.tolist()}
    persons = dict(zip(map(tuple, own.tolist()), _counts(margins, own), strict=True))
    persons |= {(c, ANY): n for (c,), n in zip(*(part.tolist() for part in margins.get(LEVEL, 1)), strict=True)}
    cells, near = margins.get(NEAR, 5)
    table_items, with_item = margins.get(PERSONS, 2)
    holders = dict(zip(map(tuple, table_items.tolist()), with_item.tolist(), strict=True))
    found: dict[tuple[int, int], dict[tuple[int, int], list[float]]] = {}
    for (c, o, table, concept, far), n in zip(cells.tolist(), near.tolist(), strict=True):
        if (table, concept) in holders:
            counts = found.setdefault((c, o), {}).setdefault((table, concept), [0.0] * len(NEARNESS))
            for wider in range(far, len(NEARNESS)):
                counts[wider] += n
    anchors, reach = [], []
    for c, o in keys.tolist():
        of = (c, o) if (c, o) in named else (c, ANY)
        scored = {
            key: [count * count / (persons[of] * holders[key]) for count in counts]
            for key, counts in found.get(of, {}).items()
            if counts[-1] >= _LEAST * persons[of]
        }
        chosen, days = _chosen(scored)
        asked = np.array(chosen, np.int64).reshape(-1, 2)
        anchors.append(sorted({item for item in plan.items.find(asked[:, 0], asked[:, 1]).tolist() if item >= 0}))
        reach.append(days)
    return anchors, np.array(reach, np.int64)


def _counts(margins: Sums, own: Int64s) -> list[int]:
    cells, n = margins.get(KIND, 2)
    known = dict(zip(map(tuple, cells.tolist()), n.tolist(), strict=True))
    return [known[tuple(key)] for key in own.tolist()]


def _chosen(scored: dict[tuple[int, int], list[float]]) -> tuple[list[tuple[int, int]], int]:
    """The best items, as near as possible."""
    best = max((scores[-1] for scores in scored.values()), default=0.0)
    if best <= 0.0:
        return [], 0
    for far, days in enumerate(NEARNESS.tolist()):
        highest = max(scores[far] for scores in scored.values())
        if highest >= _CLOSE * best:
            return sorted(key for key, scores in scored.items() if scores[far] >= _AMONG * highest), days
    return [], 0


def _joined(plan: Plan, levels: Int64s, fields: dict[int, int]) -> Bools:
    """Of which items records may belong to episodes of a level: those that do, and those that rarer ones count as."""
    items = plan.items
    found = np.zeros((len(levels), len(items)), np.bool_)
    cells, _ = plan.margins.get(JOINED_ITEM, 3)
    own = items.find(cells[:, 1], cells[:, 2])
    for (concept, table, _), item in zip(cells.tolist(), own.tolist(), strict=True):
        if concept in levels and table in fields:
            level = int(np.searchsorted(levels, concept))
            up = items.rolled_up[items.rolled_up[:, 0] == table, 2]
            found[level, up] = True
            if item >= 0:
                found[level, item] = True
    return found
