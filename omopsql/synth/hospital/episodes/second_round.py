"""The second round: when episodes begin, how long they last, what they hold, given their kinds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from omopsql.udfs import courses as kernel
from omopsql.udfs.courses import NO_DAY, OPEN

from ..counting import counted, hashed, ordinals, put_persons, put_represented, representing
from ..lives import Int64s, People
from ..plan import Plan
from ..reading import Site
from ..release import DROP, POOL, Rule
from ..sums import Sums
from .kinds import Kinds, decided
from .source import (
    ANY,
    LIFE,
    LINKED,
    Episodes,
    Links,
    Records,
    mixed,
    read_episodes,
    read_links,
    read_records,
)

SCOPE, PAIR, FIRST, MORE = "episodes.scope", "episodes.pair", "episodes.first", "episodes.more"
CHANCE, BEGUN = "episodes.chance", "episodes.begun"
LAG, LENGTH, TAIL, PAUSE = (f"episodes.{name}" for name in ("lag", "length", "tail", "pause"))
GOES_ON, GOES_ON_KIND, OUTLASTS = "episodes.open", "episodes.open.kind", "episodes.outlasts"
NUMBERED, PRESENT, JOINED = "episodes.number", "episodes.present", "episodes.joined"
RUNGS = (
    "",
    ".level",
    ".kind",
)  # of chances: by the parent's kind; by its level; by its level and whether one came before
RULES: dict[str, Rule] = {
    **dict.fromkeys((SCOPE, PAIR, FIRST, MORE, GOES_ON, GOES_ON_KIND, OUTLASTS, NUMBERED, PRESENT, JOINED), DROP),
    **{f"{name}{rung}": DROP for name in (CHANCE, BEGUN) for rung in RUNGS},
    **dict.fromkeys((LAG, LENGTH, TAIL, PAUSE), POOL),
}
ROUNDED = [LAG, LENGTH, TAIL, PAUSE]
LEFT = np.array([30, 90, 180, 365, 730, 1825], np.int64)  # bounds of bands of days left
AROUND = 30  # days before and after an episode in which a record may be linked to it
BY_RECORD, AT_FIRST, AFTERWARDS = 0, 1, 2  # what the first day of an episode is counted from
INSIDE, EARLIER, LATER = 0, 1, 2  # where a record lies
UNSAID, IN_ORDER, OTHERWISE = 0, 1, 2  # how an episode is numbered


def sums(site: Site, plan: Plan) -> Sums:
    """Count the persons by their episodes, given the kinds that the plan knows."""
    found, kinds = Sums(), decided(plan)
    if not len(kinds):
        return found
    records = read_records(site, plan.items, LINKED)
    episodes, keys = read_episodes(site)
    links = read_links(site, episodes, keys, records, plan.items)
    courses = _Courses.of(site.people, episodes, records, kinds)
    _put_beginnings(found, courses)
    _put_lags(found, courses)
    _put_ends(found, courses)
    _put_numbers(found, courses)
    _put_links(found, courses, records, links, plan)
    return found


def life_end(people: People) -> Int64s:
    """The last day of each person: of observation, or of life."""
    end = people.end.astype(np.int64)
    return np.where(people.death >= 0, np.minimum(people.death, end), end)


@dataclass(frozen=True)
class _Courses:
    """The episodes of known kinds, by what they lie in: scopes are first the lives, then the episodes themselves.

    ``anchor`` is the day of the record that each episode begins on, ``NO_DAY`` for none; ``passed`` are the rows of the
    kernel ``opportunities``.
    """

    people: People
    kinds: Kinds
    records: Records
    episodes: Episodes
    kind: Int64s
    anchor: Int64s
    passed: Int64s

    @classmethod
    def of(cls, people: People, episodes: Episodes, records: Records, kinds: Kinds) -> _Courses:
        """Find on which record each episode begins."""
        kind = kinds.find(episodes.concept, episodes.object)
        told = cls(
            people, kinds, records.where(kinds.begins[records.item]), episodes, kind, kind, np.zeros((0, 6), np.int64)
        )
        order = told.order
        starts = np.searchsorted(told.scope[order], np.arange(len(people) + len(episodes) + 1)).astype(np.int64)
        scopes = told.scopes
        begins = told.records
        by_scope = (starts, episodes.start[order], episodes.end[order], kind[order])
        given = (scopes, (begins.offsets, begins.day, begins.item), kinds.of_item, kinds.arrays, by_scope)
        anchors = np.full(len(order), NO_DAY, np.int64)
        rows = kernel.opportunities(*given, np.zeros((0, 6), np.int64), anchors)
        anchors[:] = NO_DAY
        passed = np.zeros((rows, 6), np.int64)
        kernel.opportunities(*given, passed, anchors)
        anchor = np.empty(len(order), np.int64)
        anchor[order] = anchors
        return cls(people, kinds, told.records, episodes, kind, anchor, passed)

    @cached_property
    def parent(self) -> Int64s:
        """The place of each episode's parent, -1 where it is of no known kind."""
        parent = self.episodes.parent
        return np.where((parent >= 0) & (self.kind[parent] >= 0), parent, -1) if len(parent) else parent

    @cached_property
    def scope(self) -> Int64s:
        """The scope of each episode."""
        return np.where(self.parent >= 0, len(self.people) + self.parent, self.episodes.person)

    @cached_property
    def order(self) -> Int64s:
        """The episodes by scope and first day."""
        return np.lexsort((np.arange(len(self.scope)), self.episodes.start, self.scope))

    @cached_property
    def scopes(self) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        """The person, first and last day of each scope, and the row of its level."""
        people, episodes = self.people, self.episodes
        person = np.concatenate([np.arange(len(people)), episodes.person]).astype(np.int64)
        first = np.concatenate([people.start, episodes.start]).astype(np.int64)
        last = np.minimum(np.concatenate([life_end(people), episodes.end]), life_end(people)[person])
        level = np.where(self.kind >= 0, 1 + np.append(self.kinds.level, 0)[self.kind], 0)
        return person, first, last, np.concatenate([np.zeros(len(people), np.int64), level])

    @cached_property
    def kind_of_scope(self) -> Int64s:
        """The kind of each scope, -1 of a life and of what is of no known kind."""
        return np.concatenate([np.full(len(self.people), -1, np.int64), self.kind])

    @cached_property
    def known(self) -> Int64s:
        """The places of the episodes that are counted: those of known kinds, in what such lie in."""
        row = self.scopes[3][self.scope]
        return np.flatnonzero((self.kind >= 0) & self.kinds.allowed[row, np.append(self.kinds.level, 0)[self.kind]])

    @cached_property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """A hash of each scope: of what kind of person it is, and when."""
        person, first, last, _ = self.scopes
        people = self.people
        spans = (people.birth[person], people.end[person] - people.start[person])
        return hashed(*spans, first, last, self.kind_of_scope)

    def told(self, kind: Int64s) -> tuple[Int64s, Int64s]:
        """The concept and the object of kinds, those of a life for -1."""
        concept, of = (np.append(column, LIFE)[kind] for column in (self.kinds.concept, self.kinds.object))
        return concept, of


def _put_beginnings(sums: Sums, courses: _Courses) -> None:
    """Count the opportunities of one scope of each person, and on which of them an episode begins."""
    person, of_scope = courses.scopes[0], courses.kind_of_scope
    scope, kind, state, before, passed, begun = courses.passed.T
    of_parent, object_of_parent = courses.told(of_scope[scope])
    concept, of = courses.told(kind)
    hashes = mixed(courses.hashes[scope], kind)
    keys = (
        (of_parent, object_of_parent, concept, of, state, before, passed),
        (of_parent, concept, of, state, before, passed),
        (of_parent, concept, of, state, np.minimum(before, 1), passed),
    )
    for rung, key in zip(RUNGS, keys, strict=True):
        chosen = representing(person[scope], hashes, *key)
        cells = [column[chosen] for column in key]
        sums.put(f"{CHANCE}{rung}", *counted(*cells))
        sums.put(f"{BEGUN}{rung}", *counted(*(column[begun[chosen] > 0] for column in cells)))


def _put_lags(sums: Sums, courses: _Courses) -> None:
    """Count the days from the record to the first day; and the episodes that no record begins, and their waits."""
    episodes, known = courses.episodes, courses.known
    person, start = episodes.person, episodes.start
    by_record = known[courses.anchor[known] != NO_DAY]
    _put_days(sums, LAG, courses, by_record, (start - courses.anchor)[by_record], BY_RECORD)
    scope_person, first, _, _ = courses.scopes
    parents = np.flatnonzero(courses.kind_of_scope >= 0)
    lives = np.arange(len(courses.people))
    of_parent = courses.told(courses.kind_of_scope[parents])
    sums.put(SCOPE, *counted(np.full(len(lives), LIFE), np.full(len(lives), LIFE)))
    put_persons(sums, SCOPE, scope_person[parents], *of_parent)
    of_scope = courses.kind_of_scope[courses.scope[known]]
    put_persons(sums, PAIR, person[known], *courses.told(of_scope), *courses.told(courses.kind[known]))
    chosen = np.zeros(len(scope_person), np.bool_)
    chosen[lives] = True
    chosen[parents[representing(scope_person[parents], courses.hashes[parents], *of_parent)]] = True
    alone = known[courses.anchor[known] == NO_DAY]
    alone = alone[np.lexsort((start[alone], courses.kind[alone], courses.scope[alone]))]
    scope, kind = courses.scope[alone], courses.kind[alone]
    follows = np.zeros(len(alone), np.bool_)
    follows[1:] = (scope[1:] == scope[:-1]) & (kind[1:] == kind[:-1])
    counts = chosen[scope] & ~follows
    put_persons(
        sums,
        FIRST,
        person[alone][counts],
        *courses.told(courses.kind_of_scope[scope[counts]]),
        *courses.told(kind[counts]),
    )
    _put_days(sums, LAG, courses, alone[~follows], (start[alone] - first[scope])[~follows], AT_FIRST)
    after = np.flatnonzero(follows)
    waits = start[alone[after]] - np.minimum(episodes.end[alone[after - 1]], start[alone[after]]) - 1
    _put_days(sums, LAG, courses, alone[after], waits, AFTERWARDS)
    another = np.append(follows[1:], False).astype(np.int64)
    key = (*courses.told(kind), np.minimum(ordinals(scope, kind), kernel.MOST_BEFORE))
    put_represented(sums, MORE, person[alone], episodes.hashes[alone], key, another)


def _put_days(sums: Sums, statistic: str, courses: _Courses, episode: Int64s, days: Int64s, *first: int) -> None:
    """Count days, by kind and by level, of one episode of each person."""
    concept, of = courses.told(courses.kind[episode])
    person, hashes = courses.episodes.person[episode], courses.episodes.hashes[episode]
    if first != (BY_RECORD,):
        days = np.maximum(days, 0)
    for objects in (of, np.full(len(of), ANY)):
        heads = [np.full(len(episode), number) for number in first]
        put_represented(sums, statistic, person, hashes, [*heads, concept, objects], days)


def _put_ends(sums: Sums, courses: _Courses) -> None:
    """Count whether episodes end, and when: after their first day, or after the last record that could begin one."""
    episodes, known = courses.episodes, courses.known
    start, end = episodes.start, episodes.end
    person = episodes.person
    _, _, last, _ = courses.scopes
    limit = last[courses.scope]
    parents = np.where(courses.parent < 0, 0, np.where(end[courses.parent] == OPEN, 2, 1))
    left = np.searchsorted(LEFT, limit - start, side="right")
    died = (courses.people.death[person] >= 0).astype(np.int64)
    is_open = (end == OPEN).astype(np.int64)
    concept, of = courses.told(courses.kind)
    owner, hashes, goes_on = person[known], episodes.hashes[known], is_open[known]
    key = concept[known], of[known], parents[known]
    put_represented(sums, GOES_ON, owner, hashes, key, left[known], died[known], goes_on)
    put_represented(sums, GOES_ON_KIND, owner, hashes, key, goes_on)
    put_represented(sums, GOES_ON_KIND, owner, hashes, (key[0], np.full(len(known), ANY), key[2]), goes_on)
    ended = known[goes_on == 0]
    is_cut = (end[ended] == limit[ended]) & _shortest(courses, ended)
    child = ended[(parents[ended] == 1) & (is_cut | (end[ended] > limit[ended]))]
    of_parent, _ = courses.told(courses.kind_of_scope[courses.scope[child]])
    beyond = (end > limit)[child].astype(np.int64)
    put_represented(sums, OUTLASTS, person[child], episodes.hashes[child], [of_parent, concept[child]], beyond)
    _put_days(sums, LENGTH, courses, ended, (end - start)[ended])
    _put_runs(sums, courses, ended)


def _shortest(courses: _Courses, ended: Int64s) -> npt.NDArray[np.bool_]:
    """Whether an episode is shorter than a sibling of its level, or has none: it may have been cut short."""
    level = courses.kinds.level[courses.kind[ended]]
    _, group, size = np.unique(
        np.column_stack([courses.scope[ended], level]), axis=0, return_inverse=True, return_counts=True
    )
    group = group.reshape(-1)
    length = (courses.episodes.end - courses.episodes.start)[ended]
    longest = np.zeros(len(size), np.int64)
    np.maximum.at(longest, group, length)
    return (length < longest[group]) | (size[group] == 1)


def _put_runs(sums: Sums, courses: _Courses, ended: Int64s) -> None:
    """Count the days from the last record that could begin an episode to its end, and the longest time between two."""
    episodes, records = courses.episodes, courses.records
    here = ended[courses.anchor[ended] != NO_DAY]
    last, longest = np.empty(len(here), np.int64), np.empty(len(here), np.int64)
    kernel.runs(
        episodes.person[here],
        courses.kind[here],
        np.minimum(courses.anchor, episodes.start)[here],
        episodes.end[here],
        (records.offsets, records.day, records.item),
        courses.kinds.of_item,
        last,
        longest,
    )
    known = last != NO_DAY
    _put_days(sums, TAIL, courses, here[known], (episodes.end[here] - last)[known])
    _put_days(sums, PAUSE, courses, here[longest >= 0], longest[longest >= 0])


def _put_numbers(sums: Sums, courses: _Courses) -> None:
    """Count how episodes are numbered: in order of their first days among those of their level in the same scope."""
    known, episodes = courses.known, courses.episodes
    scope, concept = courses.scope[known], courses.told(courses.kind[known])[0]
    order = np.lexsort((episodes.start[known], concept, scope))
    ordinal = np.empty(len(order), np.int64)
    ordinal[order] = ordinals(scope[order], concept[order])
    number = episodes.number[known]
    state = np.where(number < 0, UNSAID, np.where(number == ordinal, IN_ORDER, OTHERWISE))
    put_represented(sums, NUMBERED, episodes.person[known], episodes.hashes[known], [concept], state)


def _put_links(sums: Sums, courses: _Courses, records: Records, links: Links, plan: Plan) -> None:
    """Count the records in and near an episode that might be linked to it, and those that are."""
    known, episodes, kinds = courses.known, courses.episodes, courses.kinds
    limit = np.minimum(episodes.end, life_end(courses.people)[episodes.person])
    span, record = records.between(episodes.person[known], episodes.start[known] - AROUND, limit[known] + AROUND)
    episode, item = known[span], records.item[record]
    asked = kinds.joined[kinds.level[courses.kind[episode]], item]
    episode, record, item = episode[asked], record[asked], item[asked]
    size = max(len(records), 1)
    is_linked = np.isin(episode * size + record, links.episode * size + links.record)
    day = records.day[record]
    zone = np.where(day < episodes.start[episode], EARLIER, np.where(day > limit[episode], LATER, INSIDE))
    hashes = mixed(episodes.hashes[episode], day)
    concept, of = courses.told(courses.kind[episode])
    table, items = plan.items.table[item].astype(np.int64), plan.items.concept[item]
    for objects in (of, np.full(len(of), ANY)):
        one = representing(episodes.person[episode], hashes, concept, objects, zone, item)
        cells = [column[one] for column in (concept, objects, zone, table, items)]
        sums.put(PRESENT, *counted(*cells))
        sums.put(JOINED, *counted(*(column[is_linked[one]] for column in cells)))
