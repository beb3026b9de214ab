"""The episodes of synthetic persons, and the records that belong to them: a function of the lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omopsql.udfs import courses as kernel
from omopsql.udfs.courses import OPEN

from ..attributes import states_of
from ..counting import hashed, ordinals
from ..lives import Int64s, Lives, offsets_of
from .model import EpisodeModel
from .second_round import AROUND, EARLIER, INSIDE, LATER, life_end
from .source import Records

_STREAM, _LINKS = 2001, 2002  # streams of random numbers that no subject of attributes has
_DEEPEST = 8  # levels of parents


@dataclass(frozen=True)
class Made:
    """Synthetic episodes by person and first day; ``end`` is ``OPEN`` for one that goes on, ``parent`` -1 without one.

    ``number`` counts the siblings of a level, from 1.
    """

    offsets: Int64s
    person: Int64s
    kind: Int64s
    start: Int64s
    end: Int64s
    parent: Int64s
    number: Int64s

    def __len__(self) -> int:
        return len(self.person)


def generate(model: EpisodeModel, lives: Lives, records: Records) -> Made:
    """Make the episodes of lives, given all their records that could begin one: first those without a parent."""
    people, kinds = lives.people, model.kinds
    life = life_end(people)
    begins = records.where(kinds.begins[records.item])
    person = np.arange(len(people))
    states = states_of(lives, _STREAM)
    scope = (person, people.start.astype(np.int64), life, np.full(len(people), -1), np.zeros(len(people), np.int64))
    levels: list[Int64s] = []
    for depth in range(_DEEPEST):
        of_person, start, _, kind, _ = scope
        state = states if depth == 0 else hashed(states.view(np.int64)[of_person], kind, start, ordinals(of_person))
        made = _begun(model, begins, lives, life, scope, state)
        if not len(made):
            break
        parent = made[:, 0] + sum(map(len, levels[:-1])) if depth else np.full(len(made), -1)
        end = _observed(lives, of_person[made[:, 0]], made[:, 3])
        begin = _observed(lives, of_person[made[:, 0]], made[:, 2])
        own = np.column_stack([of_person[made[:, 0]], made[:, 1], begin, end, parent])
        levels.append(own)
        own_last = np.minimum(own[:, 3], life[own[:, 0]])
        scope = (own[:, 0], own[:, 2], own_last, own[:, 1], (own[:, 3] == OPEN).astype(np.int64))
    return _sorted(kinds.level, np.concatenate([np.zeros((0, 5), np.int64), *levels]), len(people))


def _begun(
    model: EpisodeModel,
    records: Records,
    lives: Lives,
    life: Int64s,
    scope: tuple[Int64s, Int64s, Int64s, Int64s, Int64s],
    states: np.ndarray,
) -> Int64s:
    """The episodes of some scopes: rows of scope, kind, first and last day."""
    person, start, last, kind, is_open = scope
    row = np.where(kind >= 0, 1 + np.append(model.kinds.level, 0)[kind], 0)
    dies = (lives.people.death[person] >= 0).astype(np.int64)
    given = (
        (person, start, last, life[person], row, kind, is_open, dies, states),
        (records.offsets, records.day, records.item),
        model.kinds.of_item,
        model.kinds.arrays,
        model.chances,
        model.later,
        model.ends,
    )
    made = np.zeros((kernel.begun(*given, np.zeros((0, 4), np.int64)), 4), np.int64)
    kernel.begun(*given, made)
    return made


def _observed(lives: Lives, person: Int64s, day: Int64s) -> Int64s:
    """Days that lie between two periods of observation move to the last day before."""
    inside = np.minimum(day, life_end(lives.people)[person])
    return np.where(day == OPEN, OPEN, np.minimum(inside, lives.observed.last_day(person, inside)))


def _sorted(level: Int64s, rows: Int64s, persons: int) -> Made:
    """The episodes by person, first day, and parents before their children, which were made after them."""
    order = np.lexsort((np.arange(len(rows)), rows[:, 2], rows[:, 0]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    person, kind, start, end, parent = rows[order].T
    parent = np.where(parent >= 0, place[parent], -1) if len(parent) else parent
    by_scope = np.lexsort((np.arange(len(order)), level[kind], parent, person))
    number = np.empty(len(order), np.int64)
    number[by_scope] = ordinals(person[by_scope], parent[by_scope], level[kind][by_scope])
    return Made(offsets_of(person, persons), person, kind, start, end, parent, number)


def linked(model: EpisodeModel, lives: Lives, made: Made, records: Records) -> tuple[Int64s, Int64s]:
    """Draw which records belong to which episodes: their places, by episode and record."""
    end = np.minimum(made.end, life_end(lives.people)[made.person])
    episode, record = records.between(made.person, made.start - AROUND, end + AROUND)
    day = records.day[record]
    zone = np.where(day < made.start[episode], EARLIER, np.where(day > end[episode], LATER, INSIDE))
    chance = model.linked[made.kind[episode], zone, records.item[record]]
    likely = np.flatnonzero(chance > 0)
    episode, record, chance = episode[likely], record[likely], chance[likely]
    person = made.person[episode]
    places = ordinals(person) if len(person) else person
    taken = np.zeros(len(person), np.bool_)
    kernel.joined(person, places, states_of(lives, _LINKS), chance, taken)
    return episode[taken], record[taken]
