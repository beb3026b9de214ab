"""The model of episodes, compiled from what was released."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omopsql.udfs.courses import MOST_BEFORE, MOST_PASSED, STATES

from ..histograms import PERSONS_A_RUNG, Bools, Histograms, Lookup
from ..lives import Doubles, Int64s
from ..plan import Plan
from ..sums import Sums
from .kinds import Kinds, decided
from .second_round import (
    AFTERWARDS,
    AT_FIRST,
    BEGUN,
    BY_RECORD,
    CHANCE,
    FIRST,
    GOES_ON,
    GOES_ON_KIND,
    JOINED,
    LAG,
    LEFT,
    LENGTH,
    MORE,
    NUMBERED,
    OUTLASTS,
    PAIR,
    PAUSE,
    PRESENT,
    RUNGS,
    SCOPE,
    TAIL,
    UNSAID,
)
from .source import ANY, LIFE

_CLEARER = 0.1  # an end follows the records if its days after them are so much clearer than its length
_MOST_OF_PAUSES = 0.99
_SLACK = 1.5  # times the longest pauses: up to here a synthetic pause is one

Drawn = tuple[Int64s, Int64s, Int64s, Int64s]  # of each kind: where its bins begin; first and last value, persons


@dataclass(frozen=True)
class EpisodeModel:
    """Arrays to draw episodes from, as the kernel ``begun`` takes them.

    ``numbered`` is the share of each level that has a number; ``linked`` (kinds, where a record lies, items) the chance
    of a record to belong to an episode.
    """

    kinds: Kinds
    chances: tuple[Int64s, Doubles]
    later: tuple[Int64s, Int64s, Doubles, Doubles]
    ends: tuple[Drawn, Drawn, Drawn, Drawn, Drawn, Int64s, Doubles, Int64s, Doubles]
    numbered: Doubles
    linked: Doubles

    def __len__(self) -> int:
        return len(self.kinds)


def compiled(released: Sums, plan: Plan) -> EpisodeModel:
    """Arrange what was released for drawing. A model without these statistics makes no episodes."""
    kinds = decided(plan)
    least = PERSONS_A_RUNG * plan.min_cell
    return EpisodeModel(
        kinds,
        _chances(released, kinds, least),
        _later(released, kinds),
        _ends(released, kinds, least),
        _numbered(released, kinds),
        _linked(released, plan, kinds, least),
    )


def _shares(released: Sums, whole: str, part: str, width: int) -> tuple[Int64s, Doubles, Doubles]:
    """The cells of a statistic, their persons, and those of the part that has the same key."""
    cells, n = released.get(whole, width)
    parts, of_part = released.get(part, width)
    found = np.append(of_part, 0).astype(float)[Lookup.of(parts).find(cells, np.arange(len(parts)))]
    return cells, n.astype(float), found


def _chances(released: Sums, kinds: Kinds, least: int) -> tuple[Int64s, Doubles]:
    """The chance on each opportunity, by the first rung that has enough persons."""
    parents = [(LIFE, LIFE), *zip(kinds.concept.tolist(), kinds.object.tolist(), strict=True)]
    rows = np.concatenate([[0], 1 + kinds.level])
    row, column = np.nonzero(kinds.allowed[rows][:, kinds.level]) if len(kinds) else (kinds.level, kinds.level)
    asked = np.isin(column, kinds.item_kinds) & _occur(released, kinds, np.array(parents, np.int64), row, column, least)
    row, column = row[asked], column[asked]
    context = np.full((len(parents), len(kinds)), -1, np.int64)
    context[row, column] = np.arange(len(row))
    shape = (STATES, MOST_BEFORE + 1, MOST_PASSED + 1)
    at, state, before, passed = (part.reshape(-1) for part in np.indices((len(row), *shape)))
    of_parent = np.array(parents, np.int64)[row[at]]
    own = (kinds.concept[column[at]], kinds.object[column[at]])
    keys = (
        np.column_stack([of_parent, *own, state, before, passed]),
        np.column_stack([of_parent[:, 0], *own, state, before, passed]),
        np.column_stack([of_parent[:, 0], *own, state, np.minimum(before, 1), passed]),
    )
    chance = np.full(len(at), np.nan)
    for rung, key in zip(RUNGS, keys, strict=True):
        cells, persons, begun = _shares(released, f"{CHANCE}{rung}", f"{BEGUN}{rung}", key.shape[1])
        enough = persons >= (least if rung != RUNGS[-1] else 1)
        place = Lookup.of(cells[enough]).find(key, np.arange(int(enough.sum())))
        known = np.append((begun / np.maximum(persons, 1.0))[enough], np.nan)[place]
        chance = np.where(np.isnan(chance), known, chance)
    found = chance.reshape(len(row), *shape)
    uncovered = found[:, np.arange(STATES) % 2]  # where no other kind covers the day, if it never does in the source
    return context, np.nan_to_num(np.where(np.isnan(found), uncovered, found))


def _occur(released: Sums, kinds: Kinds, parents: Int64s, row: Int64s, column: Int64s, least: int) -> Bools:
    """Whether a kind occurs in a parent's; in rare parents all may that their level has."""
    scopes, n = released.get(SCOPE, 2)
    persons = np.append(n, 0)[Lookup.of(scopes).find(parents, np.arange(len(scopes)))]
    pairs, _ = released.get(PAIR, 4)
    wanted = np.column_stack([parents[row], kinds.concept[column], kinds.object[column]])
    return (Lookup.of(pairs).find(wanted, np.arange(len(pairs))) >= 0) | (persons[row] < least)


def _later(released: Sums, kinds: Kinds) -> tuple[Int64s, Int64s, Doubles, Doubles]:
    """Episodes that no record begins: where those of each parent's kind stand, their kinds, chances of one and more."""
    cells, n = released.get(FIRST, 4)
    scopes, persons = released.get(SCOPE, 2)
    sizes = np.append(persons, 0)[Lookup.of(scopes).find(cells[:, :2], np.arange(len(scopes)))]
    own = np.column_stack([kinds.concept, kinds.object])
    known = Lookup.of(own)
    kind = known.find(cells[:, 2:], np.arange(len(own)))
    is_life = cells[:, 0] == LIFE
    parent = np.where(is_life, 0, 1 + known.find(cells[:, :2], np.arange(len(own))))
    kept = (kind >= 0) & (is_life | (parent > 0)) & (sizes > 0)
    kept &= kinds.allowed[
        np.where(is_life, 0, 1 + np.append(kinds.level, 0)[parent - 1]), np.append(kinds.level, 0)[kind]
    ]
    order = np.flatnonzero(kept)[np.lexsort((kind[kept], parent[kept]))]
    starts = np.searchsorted(parent[order], np.arange(len(own) + 2)).astype(np.int64)
    more = np.zeros((len(own), MOST_BEFORE + 1))
    cells, of_cell = released.get(MORE, 4)
    whole = np.zeros_like(more)
    at = known.find(cells[:, :2], np.arange(len(own)))
    np.add.at(whole, (at[at >= 0], cells[at >= 0, 2]), of_cell[at >= 0])
    again = (at >= 0) & (cells[:, 3] == 1)
    np.add.at(more, (at[again], cells[again, 2]), of_cell[again])
    return starts, kind[order], (n / np.maximum(sizes, 1))[order], more / np.maximum(whole, 1.0)


def _ends(
    released: Sums, kinds: Kinds, least: int
) -> tuple[Drawn, Drawn, Drawn, Drawn, Drawn, Int64s, Doubles, Int64s, Doubles]:
    """Histograms of days by kind, and whether ends are told, and whether they follow the records."""
    lag = Histograms.of(released, LAG, 3)
    length, tail = Histograms.of(released, LENGTH, 2), Histograms.of(released, TAIL, 2)
    follows = _spread(tail, kinds) < _spread(length, kinds) - _CLEARER
    pause = np.where(follows, _longest(Histograms.of(released, PAUSE, 2), kinds), -1)
    return (
        _of_kinds(lag.only(0, BY_RECORD), kinds, 1),
        _of_kinds(lag.only(0, AT_FIRST), kinds, 1),
        _of_kinds(lag.only(0, AFTERWARDS), kinds, 1),
        _of_kinds(length, kinds),
        _of_kinds(tail, kinds),
        pause,
        _open(released, kinds, least),
        LEFT,
        _outlasting(released, kinds),
    )


def _places(histograms: Histograms, kinds: Kinds, skipped: int = 0) -> Int64s:
    """The histogram of each kind: its own, or else that of its level; -1 without any."""
    known, every = Lookup.of(histograms.cells[:, skipped:]), np.arange(len(histograms.cells))
    own = known.find(np.column_stack([kinds.concept, kinds.object]), every)
    of_level = known.find(np.column_stack([kinds.concept, np.full(len(kinds), ANY)]), every)
    return np.where(own >= 0, own, of_level)


def _of_kinds(histograms: Histograms, kinds: Kinds, skipped: int = 0) -> Drawn:
    """The bins of each kind."""
    place = _places(histograms, kinds, skipped)
    sizes = np.append(np.diff(histograms.starts), 0)[place]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    first = np.append(histograms.starts[:-1], 0)[place]
    bins = np.repeat(first - starts[:-1], sizes) + np.arange(starts[-1])
    return starts, histograms.low[bins], histograms.high[bins], histograms.n[bins]


def _spread(histograms: Histograms, kinds: Kinds) -> Doubles:
    """How far apart the days of each kind are: the entropy of what is drawn; infinite without any."""
    starts, low, high, n = _of_kinds(histograms, kinds)
    owner = np.repeat(np.arange(len(kinds)), np.diff(starts))
    whole = np.bincount(owner, n, len(kinds))
    share = n / np.maximum(whole[owner], 1.0)
    told = np.bincount(owner, -share * np.log(np.maximum(share, 1e-300) / (high - low + 1)), len(kinds))
    return np.where(whole > 0, told, np.inf)


def _longest(histograms: Histograms, kinds: Kinds) -> Int64s:
    """The time between two records of an episode that hardly any exceeds, with slack; 0 where none has two."""
    starts, _, high, n = _of_kinds(histograms, kinds)
    longest = np.zeros(len(kinds), np.int64)
    for kind in range(len(kinds)):
        own = slice(starts[kind], starts[kind + 1])
        if starts[kind + 1] > starts[kind]:
            reached = np.cumsum(n[own])
            longest[kind] = high[own][np.searchsorted(reached, _MOST_OF_PAUSES * reached[-1])] * _SLACK
    return longest


def _open(released: Sums, kinds: Kinds, least: int) -> Doubles:
    """The chance to go on, by kind, parent, time left and death."""
    shape = (len(kinds), 3, len(LEFT) + 1, 2)
    kind, parents, left, died = (part.reshape(-1) for part in np.indices(shape))
    concept, of = kinds.concept[kind], kinds.object[kind]
    rungs = (
        (GOES_ON, np.column_stack([concept, of, parents, left, died])),
        (GOES_ON_KIND, np.column_stack([concept, of, parents])),
        (GOES_ON_KIND, np.column_stack([concept, np.full(len(of), ANY), parents])),
    )
    chance = np.full(len(kind), np.nan)
    for place, (statistic, key) in enumerate(rungs):
        cells, n = released.get(statistic, key.shape[1] + 1)
        groups, group = np.unique(cells[:, :-1], axis=0, return_inverse=True)
        group = group.reshape(-1)
        whole = np.bincount(group, n, len(groups))
        share = np.bincount(group, n * cells[:, -1], len(groups)) / np.maximum(whole, 1.0)
        enough = whole >= (1 if place == len(rungs) - 1 else least)
        at = Lookup.of(groups[enough]).find(key, np.arange(int(enough.sum())))
        chance = np.where(np.isnan(chance), np.append(share[enough], np.nan)[at], chance)
    return np.nan_to_num(chance).reshape(shape)


def _outlasting(released: Sums, kinds: Kinds) -> Doubles:
    """Of the episodes of a level that would outlast their parents, the share that does, by the parent's level."""
    found = np.zeros(kinds.allowed.shape)
    whole = np.zeros(kinds.allowed.shape)
    cells, n = released.get(OUTLASTS, 3)
    for (parent, concept, beyond), count in zip(cells.tolist(), n.tolist(), strict=True):
        place = 1 + int(np.searchsorted(kinds.levels, parent)), int(np.searchsorted(kinds.levels, concept))
        whole[place] += count
        found[place] += beyond * count
    return found / np.maximum(whole, 1.0)


def _numbered(released: Sums, kinds: Kinds) -> Doubles:
    """The share of each level's episodes that have a number."""
    cells, n = released.get(NUMBERED, 2)
    known = np.searchsorted(kinds.levels, cells[:, 0])
    whole = np.bincount(known, n, len(kinds.levels))
    return np.bincount(known, n * (cells[:, 1] != UNSAID), len(kinds.levels)) / np.maximum(whole, 1.0)


def _linked(released: Sums, plan: Plan, kinds: Kinds, least: int) -> Doubles:
    """The chance of a record to belong to an episode: by the kind, or else by its level."""
    cells, persons, joined = _shares(released, PRESENT, JOINED, 5)
    item = plan.items.find(cells[:, 3], cells[:, 4])
    found = np.zeros((len(kinds), 3, len(plan.items)))
    share = joined / np.maximum(persons, 1.0)
    own = np.column_stack([kinds.concept, kinds.object])
    for any_object in (True, False):
        here = (item >= 0) & ((cells[:, 1] == ANY) == any_object) & (persons >= (1 if any_object else least))
        for kind, (concept, of) in enumerate(own.tolist()):
            fits = here & (cells[:, 0] == concept) & (any_object | (cells[:, 1] == of))
            found[kind, cells[fits, 2], item[fits]] = share[fits]
    return found
