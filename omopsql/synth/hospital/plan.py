"""What is decided before the second round of counting: a pure function of the first round's sums.

An item is a concept of one table, such as a condition or a kind of visit. Concepts of too few persons count as their
nearest ancestor that reaches enough, or are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .lives import Int32s, Int64s
from .release import DROP, KEEP, Rule
from .sums import Ints, Sums

TABLES = (  # an item's table number is its place here; never reorder, only append
    "condition_occurrence",
    "procedure_occurrence",
    "drug_exposure",
    "device_exposure",
    "measurement",
    "observation",
    "specimen",
    "note",
    "episode",
    "visit_occurrence",
)
TABLE_NUMBERS = {name: number for number, name in enumerate(TABLES)}

PERSONS, ANCESTRY, ROLLED_UP, LEFT_OUT = "items", "items.ancestry", "items.rolled_up", "items.left_out"
RULES: dict[str, Rule] = {PERSONS: DROP, ANCESTRY: KEEP, ROLLED_UP: KEEP, LEFT_OUT: KEEP}


@dataclass(frozen=True)
class Items:
    """The items of a model, sorted by table number and concept.

    ``rolled_up`` (rows of table number, concept, item) tells which rarer concepts count as which item.
    """

    table: Int32s
    concept: Int64s
    rolled_up: Int64s = field(default_factory=lambda: np.zeros((0, 3), np.int64))

    def __len__(self) -> int:
        return len(self.concept)

    @classmethod
    def of(cls, margins: Sums) -> Items:
        """The items of released margins."""
        own, _ = margins.get(PERSONS, 2)
        up, _ = margins.get(ROLLED_UP, 3)
        keys = np.unique(np.concatenate([own, up[:, [0, 2]]]), axis=0)
        numbers = {(table, concept): item for item, (table, concept) in enumerate(keys.tolist())}
        leads = [(table, concept, numbers[table, ancestor]) for table, concept, ancestor in up.tolist()]
        return cls(keys[:, 0].astype(np.int32), keys[:, 1].copy(), np.array(leads, np.int64).reshape(-1, 3))

    def of_table(self, name: str) -> Int64s:
        """The items of one table: a run of numbers."""
        return np.flatnonzero(self.table == TABLE_NUMBERS[name])

    def concepts_of(self, name: str) -> tuple[Int64s, Int32s]:
        """The concepts of one table that count as an item, and that item."""
        own = self.of_table(name)
        up = self.rolled_up[self.rolled_up[:, 0] == TABLE_NUMBERS[name]]
        return np.concatenate([self.concept[own], up[:, 1]]), np.concatenate([own, up[:, 2]]).astype(np.int32)

    def find(self, table: Ints, concept: Ints) -> Ints:
        """The items of released keys (table number, concept), -1 where there is none. Ancestors count as themselves."""
        numbers = {key: item for item, key in enumerate(zip(self.table.tolist(), self.concept.tolist(), strict=True))}
        asked = zip(np.asarray(table).tolist(), np.asarray(concept).tolist(), strict=True)
        return np.array([numbers.get(key, -1) for key in asked], np.int64)


@dataclass(frozen=True)
class Plan:
    """Released margins, and what follows from them.

    ``dense`` are the items of measurements that occur so often in a visit that the layer of values makes their times;
    the layer of events does not see them.
    """

    margins: Sums
    min_cell: int
    dense: frozenset[int] = frozenset()

    @cached_property
    def items(self) -> Items:
        """The items of the model."""
        return Items.of(self.margins)


def rolled_up(margins: Sums, min_cell: int) -> Sums:
    """Decide for each concept of fewer than ``min_cell`` persons what it counts as: facts to release.

    Returns the statistics ``items.rolled_up`` (table number, concept, ancestor) and ``items.left_out`` (table number,
    concept). An ancestor is taken when it is an item itself, or when the concepts below it, at most so many levels
    away and not yet placed, reach ``min_cell`` together; the nearest one first, then the smallest concept.
    """
    keys, n = margins.get(PERSONS, 2)
    persons = {(table, concept): count for (table, concept), count in zip(keys.tolist(), n.tolist(), strict=True)}
    frequent = {item for item, count in persons.items() if count >= min_cell}
    waiting = {item: count for item, count in persons.items() if count < min_cell}
    above: dict[int, list[tuple[int, int, int]]] = {}
    for table, concept, ancestor, levels in margins.get(ANCESTRY, 4)[0].tolist():
        if (table, concept) in waiting:
            above.setdefault(levels, []).append((table, concept, ancestor))
    found: list[tuple[int, int, int]] = []
    near: list[tuple[int, int, int]] = []
    for levels in sorted(above):
        near = [link for link in near if link[:2] in waiting] + above[levels]
        frequent |= _reached(near, waiting, min_cell)
        for item in frequent & waiting.keys():
            del waiting[item]
        for table, concept, ancestor in near:
            if (table, ancestor) in frequent and waiting.pop((table, concept), None) is not None:
                found.append((table, concept, ancestor))
    facts = Sums()
    facts.put(ROLLED_UP, np.array(found, np.int64).reshape(-1, 3), np.zeros(len(found)))
    facts.put(LEFT_OUT, np.array(sorted(waiting), np.int64).reshape(-1, 2), np.zeros(len(waiting)))
    return facts


def _reached(
    links: list[tuple[int, int, int]], waiting: Mapping[tuple[int, int], int], min_cell: int
) -> set[tuple[int, int]]:
    """The ancestors under which enough persons wait. A person of two concepts counts twice here; cells are exact."""
    under: dict[tuple[int, int], int] = {}
    for table, concept, ancestor in links:
        under[table, ancestor] = under.get((table, ancestor), 0) + waiting[table, concept]
    return {ancestor for ancestor, count in under.items() if count >= min_cell}
