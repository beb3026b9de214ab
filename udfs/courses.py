"""Episodes of care over the records of a person: on which records they could begin, and on which they do.

A scope is what episodes lie in: a person's life, or a parent episode. Inside it every day with a record of an item that
begins episodes of a kind is an opportunity for that kind, unless one of its own covers it. The chance of the next one
depends on how many came before and how many opportunities were passed over; on whether an episode of another kind of
its level covers the day; and on whether records follow that begin what could lie in it. Counting and drawing go through
the same days.
"""

import numpy as np
from numba import njit

from .borrowing import borrowing
from .stream import uniform

OPEN = 2**31 - 1  # the end of an episode that goes on
MOST_BEFORE, MOST_PASSED = 12, 4  # siblings before, and opportunities passed over, are told apart up to here
NO_DAY = -(2**31)
STATES = 4  # of an opportunity


@njit(nogil=True, cache=True)
def opportunities(
    scopes, records, of_item, kinds, episodes, found, anchors
):  # fmt: skip
    """Go through the opportunities of real scopes; return how many there are.

    ``scopes`` are the arrays person, first day, last day, row of ``kinds`` (0: life, 1 and up: the parent's level);
    ``records`` offsets by person, day, item; ``of_item`` where the kinds of each item begin, and these; ``kinds``
    reach, level, and whether a level lies in such a scope; ``episodes`` offsets by scope, first day, last day, kind.
    ``found`` (scope, kind, state, before, passed, whether one begins) is filled up to its size; ``anchors`` becomes the
    day of the record on which each episode begins.
    """
    scope_person, scope_first, scope_last, scope_row = scopes
    record_starts, record_day, record_item = records
    kind_starts, item_kinds = of_item
    reach, level, allowed = kinds
    episode_starts, episode_first, episode_last, episode_kind = episodes
    size, levels = reach.size, allowed.shape[1]
    seen = _memory(size, levels)
    covered, covered_by_level, last_child, before, passed, last_seen = seen
    rows = 0
    for scope in range(scope_person.size):
        _forget(seen)
        person, row = scope_person[scope], scope_row[scope]
        end = record_starts[person + 1]
        at = record_starts[person] + np.searchsorted(record_day[record_starts[person] : end], scope_first[scope])
        _follow(
            at, end, scope_last[scope], record_day, record_item, kind_starts, item_kinds, level, allowed, last_child
        )
        while at < end and record_day[at] <= scope_last[scope]:
            day = record_day[at]
            for place in range(kind_starts[record_item[at]], kind_starts[record_item[at] + 1]):
                kind = item_kinds[place]
                if not allowed[row, level[kind]] or day <= covered[kind] or last_seen[kind] == day:
                    continue
                last_seen[kind] = day
                chosen = -1
                for episode in range(episode_starts[scope], episode_starts[scope + 1]):
                    near = abs(episode_first[episode] - day) <= reach[kind]
                    if near and episode_kind[episode] == kind and anchors[episode] == NO_DAY:
                        chosen = episode
                        break
                if rows < found.shape[0]:
                    state = _state(day, covered_by_level[level[kind]], last_child[level[kind]])
                    found[rows, 0], found[rows, 1], found[rows, 2], found[rows, 5] = scope, kind, state, chosen >= 0
                    found[rows, 3], found[rows, 4] = min(before[kind], MOST_BEFORE), min(passed[kind], MOST_PASSED)
                rows += 1
                if chosen < 0:
                    passed[kind] += 1
                    continue
                anchors[chosen] = day
                _cover(seen, kind, level[kind], max(day, min(episode_last[chosen], scope_last[scope])))
            at += 1
    return rows


@njit(nogil=True)
def _memory(kinds, levels):
    """Arrays of what was seen of a scope: of each kind the last day covered, of each level that and the last day with
    a record that begins a child; of each kind episodes, opportunities passed over since, and the last one's day.
    """
    return (
        np.empty(kinds, np.int64),
        np.empty(levels, np.int64),
        np.empty(levels, np.int64),
        np.empty(kinds, np.int64),
        np.empty(kinds, np.int64),
        np.empty(kinds, np.int64),
    )


@njit(nogil=True)
def _forget(seen):
    """Begin another scope."""
    covered, covered_by_level, last_child, before, passed, last_seen = seen
    covered[:], covered_by_level[:], last_child[:] = NO_DAY, NO_DAY, NO_DAY
    before[:], passed[:], last_seen[:] = 0, 0, NO_DAY


@borrowing
def _cover(seen, kind, level, last):
    """An episode of a kind begins, and covers the days to ``last``."""
    covered, covered_by_level, _, before, passed, _ = seen
    before[kind] += 1
    passed[kind] = 0
    covered[kind] = last
    covered_by_level[level] = max(covered_by_level[level], last)


@njit(nogil=True)
def _follow(at, end, last, record_day, record_item, kind_starts, item_kinds, level, allowed, last_child):
    """Find the last day with a record that begins what could lie in an episode of each level."""
    while at < end and record_day[at] <= last:
        for place in range(kind_starts[record_item[at]], kind_starts[record_item[at] + 1]):
            child = level[item_kinds[place]]
            for parent in range(last_child.size):
                if allowed[parent + 1, child]:
                    last_child[parent] = record_day[at]
        at += 1


@njit(inline="always", nogil=True)
def _state(day, covered, last_child):
    """Whether a record that begins a child follows, and (2) whether an episode of another kind covers the day."""
    return 2 * (day <= covered) + (day <= last_child)


@borrowing(cache=True)
def runs(person, kind, first, last, records, of_item, last_day, longest):
    """Find the last record of each episode that could have begun it, and the longest time between two of these."""
    record_starts, record_day, record_item = records
    kind_starts, item_kinds = of_item
    for episode in range(person.size):
        last_day[episode], longest[episode] = NO_DAY, -1
        end = record_starts[person[episode] + 1]
        own = record_starts[person[episode]]
        at = own + np.searchsorted(record_day[own:end], first[episode])
        while at < end and record_day[at] <= last[episode]:
            if _begins(kind_starts, item_kinds, record_item[at], kind[episode]):
                if last_day[episode] != NO_DAY:
                    longest[episode] = max(longest[episode], record_day[at] - last_day[episode])
                last_day[episode] = record_day[at]
            at += 1


@njit(inline="always", nogil=True)
def _begins(kind_starts, item_kinds, item, kind):
    """Whether records of an item begin episodes of a kind."""
    found = False
    for place in range(kind_starts[item], kind_starts[item + 1]):
        found |= item_kinds[place] == kind
    return found


@njit(nogil=True, cache=True)
def begun(scopes, records, of_item, kinds, chances, later, ends, made):
    """Draw the episodes of synthetic scopes; return how many there are.

    ``scopes`` are person, first day, last day, last day of life, row of ``kinds``, kind of the parent (-1: life),
    whether the parent goes on, whether the person dies, and the state of the scope's stream; ``records``, ``of_item``
    and ``kinds`` are those of ``opportunities``. ``chances`` are the row of each parent's kind (the life's first) and
    kind, -1 for none, and the chance by row, state, number before, opportunities passed over. ``later`` are those that
    no record begins: where the kinds of each parent's kind begin, these, the chance of a first one, and of one more by
    kind and number before. ``ends`` are histograms of the days from the record, from the scope's start and from the
    episode before, of lengths, and of days after the last record; the longest time between two records (-1: the length
    counts); the chance to go on by kind, parent, time left and death; the edges of times left; the chance to outlast
    the parent. ``made`` (scope, kind, first day, last day) is filled up to its size.
    """
    person, first_day, last_day, life, row_of, parent, parent_open, dies, states = scopes
    record_starts, record_day, record_item = records
    kind_starts, item_kinds = of_item
    _, level, allowed = kinds
    context, chance = chances
    later_starts, later_kinds, later_first, later_more = later
    lag, opening, waiting, length, tail, pause, goes_on, edges, outlasts = ends
    size, levels = level.size, allowed.shape[1]
    seen = _memory(size, levels)
    covered, covered_by_level, last_child, before, passed, last_seen = seen
    rows = 0
    for scope in range(person.size):
        _forget(seen)
        state, row = states[scope], row_of[scope]
        own, after = record_starts[person[scope]], record_starts[person[scope] + 1]
        at = own + np.searchsorted(record_day[own:after], first_day[scope])
        until = last_day[scope]
        _follow(at, after, until, record_day, record_item, kind_starts, item_kinds, level, allowed, last_child)
        while at < after and record_day[at] <= until:
            day = record_day[at]
            for place in range(kind_starts[record_item[at]], kind_starts[record_item[at] + 1]):
                kind = item_kinds[place]
                known = context[parent[scope] + 1, kind]
                if known < 0 or not allowed[row, level[kind]] or day <= covered[kind] or last_seen[kind] == day:
                    continue
                last_seen[kind] = day
                state, u = uniform(state)
                now = _state(day, covered_by_level[level[kind]], last_child[level[kind]])
                if u >= chance[known, now, min(before[kind], MOST_BEFORE), min(passed[kind], MOST_PASSED)]:
                    passed[kind] += 1
                    continue
                state, days = _drawn(lag, kind, last_day[scope] - day, state)
                begins = min(max(day + days, first_day[scope], covered[kind] + 1), last_day[scope])
                last = max(begins, day)
                if pause[kind] >= 0:
                    for later_at in range(at + 1, after):
                        if record_day[later_at] > min(last + pause[kind], last_day[scope]):
                            break
                        if _begins(kind_starts, item_kinds, record_item[later_at], kind):
                            last = record_day[later_at]
                state, end = _end(
                    state, kind, begins, last, last_day[scope], life[scope], parent[scope], parent_open[scope],
                    dies[scope], outlasts[row, level[kind]], length, tail, pause, goes_on, edges,
                )  # fmt: skip
                if rows < made.shape[0]:
                    made[rows, 0], made[rows, 1], made[rows, 2], made[rows, 3] = scope, kind, begins, end
                rows += 1
                _cover(seen, kind, level[kind], max(day, min(end, last_day[scope])))
            at += 1
        for place in range(later_starts[parent[scope] + 1], later_starts[parent[scope] + 2]):
            kind = later_kinds[place]
            state, u = uniform(state)
            number, begins = 0, first_day[scope]
            likely, waits = later_first[place], opening
            while u < likely:
                state, days = _drawn(waits, kind, last_day[scope] - begins, state)
                begins = begins + max(days, 0)
                state, end = _end(
                    state, kind, begins, begins, last_day[scope], life[scope], parent[scope], parent_open[scope],
                    dies[scope], outlasts[row, level[kind]], length, length, pause, goes_on, edges,
                )  # fmt: skip
                if rows < made.shape[0]:
                    made[rows, 0], made[rows, 1], made[rows, 2], made[rows, 3] = scope, kind, begins, end
                rows += 1
                number += 1
                if end >= last_day[scope]:
                    break
                begins = end + 1
                likely, waits = later_more[kind, min(number, MOST_BEFORE)], waiting
                state, u = uniform(state)
    return rows


@borrowing
def _end(
    state, kind, begins, last, scope_last, life, parent, parent_open, dies, outlasts, length, tail, pause,
    goes_on, edges,
):  # fmt: skip
    """Draw the last day of an episode, ``OPEN`` where it goes on. What reaches out of its parent may be cut there."""
    left = np.searchsorted(edges, scope_last - begins, side="right")
    parents = 0 if parent < 0 else 1 + parent_open
    state, u = uniform(state)
    if u < goes_on[kind, parents, left, dies]:
        return state, OPEN
    state, u = uniform(state)
    after = last if pause[kind] >= 0 else begins
    until = life if parents == 1 else scope_last
    state, days = _drawn(tail if pause[kind] >= 0 else length, kind, until - after, state)
    end = max(min(after + max(days, 0), until), begins)
    return state, end if u < outlasts else min(end, scope_last)


@borrowing
def _drawn(histograms, kind, most, state):
    """Draw a number of days of a kind, ``most`` at most; 0 where nothing is known."""
    starts, low, high, n = histograms
    state, u = uniform(state)
    state, v = uniform(state)
    total = 0.0
    for at in range(starts[kind], starts[kind + 1]):
        total += _share(low[at], high[at], most) * n[at]
    if total <= 0.0:
        return state, min(low[starts[kind]], most) if starts[kind] < starts[kind + 1] else 0
    wanted = u * total
    for at in range(starts[kind], starts[kind + 1]):
        weight = _share(low[at], high[at], most) * n[at]
        if wanted < weight or (weight > 0.0 and at == starts[kind + 1] - 1):
            return state, min(low[at] + np.int64(v * (min(high[at], most) - low[at] + 1)), most)
        wanted -= weight
    return state, most


@njit(inline="always", nogil=True)
def _share(low, high, most):
    """The part of a bin that does not exceed ``most``."""
    return max(min(high, most) - low + 1, 0) / (high - low + 1)


@borrowing(cache=True)
def joined(person, places, states, chance, taken):
    """Draw whether each pair of an episode and a record belong together; ``places`` number a person's pairs."""
    for pair in range(person.size):
        _, u = uniform(states[person[pair]] + np.uint64(places[pair]) * np.uint64(0xD1342543DE82EF95))
        taken[pair] = u < chance[pair]
