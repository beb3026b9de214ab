"""What is decided before the second round of counting: a pure function of the first round's sums.

An item is a concept of one table, such as a condition or a kind of visit. Concepts of too few persons count as their
nearest ancestor that reaches enough, or are left out.

Some records go by a name of their own, a number below 0: where the value is a concept, concept and value; where the
concept is 0, the source's code. A name of too few persons counts as a wider one: the concept; the symbol that leads
the code (TP53), or the name of all rare codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

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
CODES, VALUED, WITHIN = "items.codes", "items.valued", "items.within"
RULES: dict[str, Rule] = {
    PERSONS: DROP,
    CODES: DROP,
    VALUED: DROP,
    ANCESTRY: KEEP,
    WITHIN: DROP,
    ROLLED_UP: KEEP,
    LEFT_OUT: KEEP,
}
ANY_RARE = ""  # the code of all rare ones
_NAMED_AT = {  # where the keys of first-round statistics name items: a table's number, then a concept or name
    **dict.fromkeys((PERSONS, CODES, VALUED), (0,)),
    **dict.fromkeys(("events.cohort", "events.days", "events.gap", "events.age", "events.calendar"), (0,)),
    **dict.fromkeys(("events.contact",), (0,)),
    **dict.fromkeys(("events.ever", "events.sameday", "events.company"), (0, 2)),
    **{"episodes.item": (1,), "episodes.near": (2,)},
}


@dataclass(frozen=True)
class Items:
    """The items of a model, sorted by table number and concept.

    ``rolled_up`` (rows of table number, concept, item) tells which rarer concepts count as which item. A ``concept``
    below 0 is a name: ``codes`` holds the source's code of the item, or ``valued`` its concept and its value.
    """

    table: Int32s
    concept: Int64s
    rolled_up: Int64s = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    codes: Mapping[int, str] = field(default_factory=dict)
    valued: Mapping[int, tuple[int, int]] = field(default_factory=dict)

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
        coded = zip(margins.get(CODES, 2)[0].tolist(), margins.labels(CODES), strict=True)
        codes = {numbers[table, name]: code or "" for (table, name), code in coded if (table, name) in numbers}
        told = margins.get(VALUED, 4)[0].tolist()
        valued = {numbers[table, name]: (of, value) for table, name, of, value in told if (table, name) in numbers}
        leading = np.array(leads, np.int64).reshape(-1, 3)
        return cls(keys[:, 0].astype(np.int32), keys[:, 1].copy(), leading, codes, valued)

    @cached_property
    def mapped(self) -> Int64s:
        """The concept of each item as a record tells it: 0 where the source's code makes the item."""
        concepts = np.maximum(self.concept, 0)
        for item, (concept, _) in self.valued.items():
            concepts[item] = concept
        return concepts

    @cached_property
    def wider(self) -> Int64s:
        """The items by whose name others go too: of them, fewer have records than have the name."""
        codes = sorted((int(self.table[item]), code, item) for item, code in self.codes.items())
        leads = [one[2] for one, other in pairwise(codes) if other[0] == one[0] and other[1].startswith(one[1])]
        valued = {(int(self.table[item]), concept) for item, (concept, _) in self.valued.items()}
        keys = zip(self.table.tolist(), self.concept.tolist(), strict=True)
        return np.array(sorted({*leads, *(item for item, key in enumerate(keys) if key in valued)}), np.int64)

    @cached_property
    def episodes(self) -> frozenset[int]:
        """The items of episodes, which follow from the events: the layers of these pass over them."""
        return frozenset(self.of_table("episode").tolist())

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

    @property
    def elsewhere(self) -> frozenset[int]:
        """The items that other layers make than that of events."""
        return self.dense | self.items.episodes


def shown(exact: Sums, min_cell: int) -> Sums:
    """What of exact sums may be released at all, small cells included.

    Facts about rare concepts stay at the site, and so does what was counted of names that are no items.
    """
    told = Sums.merged([exact])
    told.drop(ANCESTRY)
    told.drop(WITHIN)
    apart: dict[int, list[int]] = {}
    for table, name in sorted(_represented(exact, min_cell)):
        apart.setdefault(table, []).append(name)
    for statistic in _NAMED_AT if apart else ():
        if statistic in told:
            cells = told.counted(statistic)
            kept = np.flatnonzero(~_of_names(cells.keys, _NAMED_AT[statistic], apart))
            labels = None if cells.labels is None else cells.labels.take(pa.array(kept))
            told.drop(statistic)
            told.put(statistic, cells.keys[kept], cells.n[kept], labels)
    return told


def of_items(margins: Sums) -> Sums:
    """What margins tell of their items, and of nothing else: what was counted of other concepts is left out."""
    told = Sums.merged([margins])
    items = margins.get(PERSONS, 2)[0]
    held = {int(table): items[items[:, 0] == table, 1].tolist() for table in np.unique(items[:, 0])}
    for statistic, places in _NAMED_AT.items():
        if statistic in told:
            cells = told.counted(statistic)
            kept = np.flatnonzero(np.all([_of_names(cells.keys, (place,), held) for place in places], axis=0))
            told.drop(statistic)
            told.put(statistic, cells.keys[kept], cells.n[kept])
    return told


def _of_names(keys: Int64s, places: tuple[int, ...], names: Mapping[int, list[int]]) -> np.ndarray:
    """Which keys have, at any of the places, a table number and one of the names of that table."""
    found = np.zeros(len(keys), np.bool_)
    for place in places:
        for table, of_table in names.items():
            found |= (keys[:, place] == table) & np.isin(keys[:, place + 1], of_table)
    return found


def _represented(exact: Sums, min_cell: int) -> set[tuple[int, int]]:
    """The names (table number, name) of enough persons whose records others represent: they are no items.

    A name of enough persons represents its own records. A wider one represents the rarer names that count as it, where
    these have enough persons together; a person of two names counts twice here, cells are exact. The rest of the codes
    counts as any rare code.
    """
    persons = _persons(exact)
    coded = zip(exact.get(CODES, 2)[0].tolist(), exact.labels(CODES), strict=True)
    of_rare_codes = {table: name for (table, name), code in coded if code == ANY_RARE}
    own: dict[tuple[int, int], int] = {}
    within, n = exact.get(WITHIN, 3)
    for (table, name, wider), count in zip(within.tolist(), n.tolist(), strict=True):
        item = (table, name if persons[table, name] >= min_cell else wider)
        own[item] = own.get(item, 0) + count
    for (table, name), count in list(own.items()):
        if name < 0 and count < min_cell:
            item = (table, of_rare_codes[table])
            own[item] = own.get(item, 0) + count
    return {item for item, count in persons.items() if count >= min_cell and own.get(item, 0) < min_cell}


def _persons(margins: Sums) -> dict[tuple[int, int], int]:
    """The persons with each concept, or code, of each table."""
    keys, n = margins.get(PERSONS, 2)
    return {(table, concept): count for (table, concept), count in zip(keys.tolist(), n.tolist(), strict=True)}


def rolled_up(margins: Sums, min_cell: int) -> Sums:
    """Decide for each concept of fewer than ``min_cell`` persons what it counts as: facts to release.

    Returns the statistics ``items.rolled_up`` (table number, concept, ancestor) and ``items.left_out`` (table number,
    concept). An ancestor is taken when it is an item itself, or when the concepts below it, at most so many levels
    away and not yet placed, reach ``min_cell`` together; the nearest one first, then the smallest concept. Farthest is
    the symbol that leads the source's codes of the concept's records, if it is an item.
    """
    persons = _persons(margins)
    apart = _represented(margins, min_cell)
    frequent = {item for item, count in persons.items() if count >= min_cell and item not in apart}
    waiting = {item: count for item, count in persons.items() if count < min_cell and item[1] >= 0}
    above: dict[int, list[tuple[int, int, int]]] = {}
    for table, concept, ancestor, levels in margins.get(ANCESTRY, 4)[0].tolist():
        if (table, concept) in waiting and (ancestor >= 0 or (table, ancestor) in frequent):
            above.setdefault(levels, []).append((table, concept, ancestor))
    found: list[tuple[int, int, int]] = []
    near: list[tuple[int, int, int]] = []
    for levels in sorted(above):
        near = [link for link in near + above[levels] if link[:2] in waiting]
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
