"""Streams: items that follow each other by a schedule, such as vaccinations, as steps from one episode to the next.

A step depends on the doses so far, the last episode, age and birth; where too few persons stand behind a state, it
gives way to a coarser one. Persons whose observation ends first are censored (Kaplan and Meier, JASA 53 (1958)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..counting import counted, hashed
from ..lives import People
from ..release import DROP, POOL
from ..sums import Ints, Sums
from .structure import Structure

if TYPE_CHECKING:
    from .second_round import Parsed

DOSES = 8  # items whose doses are counted, three bits each
AGE_SPAN = 5  # bands of age that are joined
_NEVER = -1
_INFANT, _MONTHS = 730, 61
_OLDEST = 127
_TELLING = 15  # persons behind a state that is told apart
_AGED, _UNCOUNTED = (0, 1, 2, 5), (5, 6)  # levels of states that know the age, and that know no doses
_TOLD = 0.5  # the share of persons that the released steps of a state must hold

RULES = {
    "events.step": POOL,  # stream, level, doses, last driver and mask, age, birth, next driver and mask, days
    "events.step_age": POOL,  # the same, with days of age at the next episode
    "events.state": DROP,  # stream, level, doses, last driver and companions, age, birth
}


def dosed(structure: Structure, stream: int) -> Ints:
    """The items of a stream whose doses are counted: the first in rank."""
    members = np.flatnonzero(structure.stream == stream)
    return members[np.argsort(structure.grammar.rank[members])][:DOSES]


def count_streams(sums: Sums, people: People, born: Ints, episodes: Parsed, structure: Structure) -> None:
    """Count the steps of all streams. ``born`` is each person's cohort of birth."""
    for stream in range(int(structure.stream.max(initial=-1)) + 1):
        steps = _steps(people, born, episodes, structure, stream)
        for level, context in enumerate(_levels(steps)):
            _put_level(sums, stream, level, context, steps)


@dataclass(frozen=True)
class _Steps:
    """Steps of persons: from a state to the next driver and companions (-1: none until the end of observation)."""

    person: Ints
    doses: Ints
    last: Ints
    last_mask: Ints
    age: Ints
    birth: Ints
    driver: Ints
    mask: Ints
    gap: Ints
    day: Ints


def _steps(people: People, born: Ints, episodes: Parsed, structure: Structure, stream: int) -> _Steps:
    owner = np.repeat(np.arange(len(people)), np.diff(episodes.offsets))
    inside = np.flatnonzero(structure.stream[episodes.driver] == stream)
    persons = len(people)
    # one more step for each person: the one that observation cuts off
    person = np.concatenate([owner[inside], np.arange(persons)])
    driver = np.concatenate([episodes.driver[inside].astype(np.int64), np.full(persons, _NEVER)])
    mask = np.concatenate([episodes.mask[inside].view(np.int64), np.zeros(persons, np.int64)])
    day = np.concatenate([episodes.day[inside].astype(np.int64), people.end.astype(np.int64)])
    order = np.lexsort((driver == _NEVER, day, person))
    order = order[np.lexsort((driver[order] == _NEVER, person[order]))]
    person, driver, mask, day = person[order], driver[order], mask[order], day[order]
    is_first = np.ones(len(person), bool)
    is_first[1:] = person[1:] != person[:-1]
    before = np.concatenate([[0], day[:-1]])
    since = np.where(is_first, people.start[person], before)
    last = np.where(is_first, _NEVER, np.concatenate([[_NEVER], driver[:-1]]))
    last_mask = np.where(is_first, 0, np.concatenate([[0], mask[:-1]]))
    doses = _doses(structure, dosed(structure, stream), driver, mask, is_first)
    return _Steps(person, doses, last, last_mask, age_band(since), born[person], driver, mask, day - since, day)


def age_band(day: np.ndarray) -> Ints:
    """Bands of age: two months in infancy, then years."""
    months, years = np.minimum(day // _MONTHS, 11), np.minimum(10 + day // 365, _OLDEST)
    return np.where(day < _INFANT, months, years).astype(np.int64)


def _doses(structure: Structure, members: Ints, driver: Ints, mask: Ints, is_first: np.ndarray) -> Ints:
    """The doses that a person had before each step, three bits an item."""
    doses = np.zeros(len(driver), np.int64)
    start = np.maximum.accumulate(np.where(is_first, np.arange(len(driver)), 0))
    for number, member in enumerate(members):
        given = (driver == member).astype(np.int64)
        for leader in np.unique(driver[driver >= 0]):
            bits = np.flatnonzero(structure.grammar.companions(int(leader)) == member)
            if len(bits):
                given += (driver == leader) & ((mask >> bits[0]) & 1 == 1)
        before = np.cumsum(given) - given
        doses |= np.minimum(before - before[start], 7) << (3 * number)
    return doses


def _levels(steps: _Steps) -> list[tuple[Ints, ...]]:
    """The state before each step, from the finest level to the coarsest."""
    zero = np.zeros_like(steps.age)
    last = (steps.last, steps.last_mask)
    span = steps.age // AGE_SPAN
    return [
        (steps.doses, *last, steps.age, steps.birth),
        (steps.doses, *last, steps.age, zero),
        (steps.doses, *last, span, zero),
        (steps.doses, *last, zero, steps.birth),
        (steps.doses, *last, zero, zero),
        (zero, *last, span, zero),
        (zero, *last, zero, zero),
    ]


LEVELS = 7


def _put_level(sums: Sums, stream: int, level: int, context: tuple[Ints, ...], steps: _Steps) -> None:
    """Count each person once in a state: the step that a hash of it chooses."""
    order = np.lexsort((hashed(*context, steps.driver, steps.gap, steps.age), *context, steps.person))
    columns = [steps.person[order], *(column[order] for column in context)]
    is_first = np.ones(len(order), bool)
    is_first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    taken = order[is_first]
    head = (np.full(len(taken), stream), np.full(len(taken), level), *(column[taken] for column in context))
    sums.put("events.state", *counted(*head))
    sums.put("events.step", *counted(*head, steps.driver[taken], steps.mask[taken], steps.gap[taken]))
    sums.put("events.step_age", *counted(*head, steps.driver[taken], steps.mask[taken], steps.day[taken]))


@dataclass(frozen=True)
class StreamTables:
    """States and their steps. State s has steps ``offsets[s]`` to ``offsets[s + 1]``; weights are cumulative.

    ``states`` (n, 7) holds stream, level, doses, last driver, last companions, age and birth, in lexical order; the
    weight that is missing to 1 is that of no further step. Steps are in days since the last, or ``by_age``.
    """

    states: Ints
    offsets: Ints
    by_age: np.ndarray
    driver: Ints
    mask: Ints
    low: Ints
    high: Ints
    weight: np.ndarray
    dosed: Ints  # (streams, DOSES), -1 where there are fewer


def compiled_streams(released: Sums, structure: Structure, min_cell: int) -> StreamTables:
    """Turn released steps into the chance of each step from each state, on the axis on which they are denser.

    Of a state that counts no doses, persons whose step is not released are taken to have stepped no further if nobody
    else did, as long as they are fewer than ``min_cell``: such a state may lead to itself, and would do so for ever.
    """
    keys, n = released.get("events.state", 7)
    persons = {tuple(key): int(count) for key, count in zip(keys.tolist(), n.tolist(), strict=True)}
    by_gap, by_age = _by_state(released, "events.step"), _by_state(released, "events.step_age")
    states, ages, parts = [], [], []
    for state, rows in sorted(by_gap.items()):
        if not _tells(rows, state, persons):
            continue
        other = by_age.get(state)
        takes_age = (
            state[1] in _AGED
            and other is not None
            and _tells(other, state, persons)
            and _density(other) > _density(rows)
        )
        states.append(state)
        ages.append(takes_age)
        chosen = other if takes_age and other is not None else rows
        untold = max(persons.get(state, 0) - int(chosen[1].sum()), 0)
        parts.append(_chances(*chosen, untold, min(untold, min_cell - 1) if state[1] in _UNCOUNTED else 0))
    steps = np.concatenate([np.zeros((0, 4), np.int64), *(kept for kept, _ in parts)])
    return StreamTables(
        states=np.array(states, np.int64).reshape(-1, 7),
        offsets=np.concatenate([[0], np.cumsum([len(kept) for kept, _ in parts])]).astype(np.int64),
        by_age=np.array(ages, bool),
        driver=steps[:, 0].copy(),
        mask=steps[:, 1].copy(),
        low=steps[:, 2].copy(),
        high=steps[:, 3].copy(),
        weight=np.concatenate([np.zeros(0), *(weight for _, weight in parts)]),
        dosed=_all_dosed(structure),
    )


def _all_dosed(structure: Structure) -> Ints:
    streams = int(structure.stream.max(initial=-1)) + 1
    doses = np.full((streams, DOSES), -1, np.int64)
    for stream in range(streams):
        members = dosed(structure, stream)
        doses[stream, : len(members)] = members
    return doses


_Rows = tuple[Ints, Ints]


def _by_state(released: Sums, statistic: str) -> dict[tuple[int, ...], _Rows]:
    keys, n = released.get(statistic, 11)
    if not len(keys):
        return {}
    bounds = np.flatnonzero(np.any(keys[1:, :7] != keys[:-1, :7], axis=1)) + 1
    return {tuple(keys[rows[0], :7].tolist()): (keys[rows], n[rows]) for rows in np.split(np.arange(len(keys)), bounds)}


def _tells(rows: _Rows, state: tuple[int, ...], persons: dict[tuple[int, ...], int]) -> bool:
    """Whether enough persons stand behind a state, and most of them behind its steps."""
    held = rows[1].sum()
    return bool(held >= _TOLD * persons.get(state, np.inf) and (held >= _TELLING or state[1] == LEVELS - 1))


def _density(rows: _Rows) -> float:
    """The log likelihood of the steps that happen, a person."""
    keys, n = rows
    happens = keys[:, 7] != _NEVER
    width = keys[happens, 10] - keys[happens, 9] + 1
    held = n[happens]
    return float((held * np.log(held / held.sum() / width)).sum() / held.sum()) if happens.any() else -np.inf


def _chances(keys: Ints, n: Ints, untold: int, staying: int) -> tuple[Ints, np.ndarray]:
    """The steps of one state in the order of time (driver, companions, low, high), and their cumulative weights.

    Where it is told who took no step, the ``untold`` persons took steps that are too various to be released: they are
    taken to be as those that are. Where it is not, ``staying`` of them took none.
    """
    order = np.lexsort((keys[:, 7] == _NEVER, keys[:, 9] + keys[:, 10]))
    keys, n = keys[order], n[order].astype(float)
    happens = keys[:, 7] != _NEVER
    if not happens.all():
        n[happens] *= 1 + untold / max(n[happens].sum(), 1)
        staying = 0
    at_risk = n.sum() + staying - np.concatenate([[0], np.cumsum(n)[:-1]])
    share = np.where(happens, n / at_risk, 0.0)
    left = np.concatenate([[1.0], np.cumprod(1 - share)[:-1]])
    weight = np.cumsum((left * share)[happens])
    return keys[happens][:, 7:11], weight
