"""Visits of synthetic people, and the place of their events in them.

Events of a person stand by day. A random number is that of a person's stream at a place: of an event, or of a day that
several events share, so that what is done together stays together.
"""

import numpy as np
from numba import njit

from .attributes import uniform_at
from .borrowing import borrowing
from .draw import entry_of
from .stream import start

NO_VISIT, UNLINKED, OUTSIDE = -1, -1, -2  # states of an event's link: not linked on a day with a visit; a day without
_DRAWS = 8
_SHARED = 1 << 40  # places from here on belong to days
_REPEATS = 1 << 10  # places of a day
REPEAT, LINK, STAY, REACH, TOLD, START, LAST = range(7)


@borrowing(cache=True)
def start_streams(seed, numbers, layer, states):
    """Write the state with which each person's stream of a layer begins."""
    for i in range(numbers.size):
        states[i] = start(seed, numbers[i], layer)


@njit(inline="always", nogil=True)
def _entry(starts, cumulative, group, u):
    """The entry of a group that ``u`` falls in; -1 for a group without entries."""
    begin, end = starts[group], starts[group + 1]
    if begin == end:
        return -1
    return entry_of(cumulative, begin, end, u)


@njit(inline="always", nogil=True)
def _number(shares, group, u, missing):
    """A whole number of a group's bins, ends included; the place of ``u`` in its bin is its place in the numbers."""
    starts, cumulative, low, high = shares
    at = _entry(starts, cumulative, group, u)
    if at < 0:
        return missing
    before = cumulative[at - 1] if at > starts[group] else 0
    wanted = u * cumulative[starts[group + 1] - 1]
    share = (wanted - before) / (cumulative[at] - before)
    return low[at] + min(np.int64(share * (high[at] - low[at] + 1)), high[at] - low[at])


@njit(inline="always", nogil=True)
def _shorter(shares, group, u, limit):
    """A whole number below ``limit`` of a group's bins, ends included; the one before the limit if there is none."""
    starts, _, low, high = shares
    total = 0.0
    for at in range(starts[group], starts[group + 1]):
        total += _weight_below(shares, group, at, limit)
    wanted = u * total
    for at in range(starts[group], starts[group + 1]):
        weight = _weight_below(shares, group, at, limit)
        if wanted < weight:
            size = min(high[at] + 1, limit) - low[at]
            return low[at] + min(np.int64(wanted / weight * size), size - 1)
        wanted -= weight
    return limit - 1


@njit(inline="always", nogil=True)
def _weight_below(shares, group, at, limit):
    """The weight of a bin's numbers below ``limit``."""
    starts, cumulative, low, high = shares
    before = cumulative[at - 1] if at > starts[group] else 0
    share = min(max((limit - low[at]) / (high[at] - low[at] + 1), 0.0), 1.0)
    return (cumulative[at] - before) * share


@njit(inline="always", nogil=True)
def band_of(days, edges):
    """The band that a number of days falls in: as many edges as are not above it."""
    band = 0
    while band < edges.size and days >= edges[band]:
        band += 1
    return band


@borrowing(cache=True)
def open_visits(offsets, item, day, visit_of, needs, links, repeats, bands, states, made, kind):
    """Tell for each event how many visits it opens (``made``) and of which kind.

    An event that is a visit opens itself, as often as it is repeated. On a day without one, the first event of a kind
    that never is outside a visit opens one.
    """
    for person in range(offsets.size - 1):
        row, end = offsets[person], offsets[person + 1]
        while row < end:
            last = row
            has_visit = False
            while last < end and day[last] == day[row]:
                has_visit |= visit_of[item[last]] >= 0
                last += 1
            for event in range(row, last):
                place = (event - offsets[person]) * _DRAWS
                made[event], kind[event] = 0, visit_of[item[event]]
                if kind[event] >= 0:
                    u = uniform_at(states[person], place + REPEAT)
                    made[event] = _number(repeats, item[event] * bands, u, 1)
                elif not has_visit and needs[item[event]]:
                    starts, cumulative, state = links
                    at = _entry(starts, cumulative, item[event], uniform_at(states[person], place + LINK))
                    if at >= 0 and state[at] >= 0:
                        made[event], kind[event], has_visit = 1, state[at], True
            row = last


@borrowing(cache=True)
def fill_visits(
    offsets, day, made, kind, limit, died, edges, stays, reaches, told, starts_at, spans, ends_at, states, visits
):
    """Write each opened visit: kind, first and last day, minutes of both (-1: not told).

    ``limit`` is the last day that a visit of each event can have, and ``died`` whether a death is the reason.
    """
    kinds, start, stop, start_minute, end_minute = visits
    at = 0
    for person in range(offsets.size - 1):
        for event in range(offsets[person], offsets[person + 1]):
            for repeat in range(made[event]):
                place = _SHARED + ((event - offsets[person]) * _REPEATS + repeat) * _DRAWS
                state, of = states[person], kind[event]
                horizon = limit[event] - day[event]
                band = band_of(horizon, edges)
                group = of * (edges.size + 1) + band
                reach = _entry(reaches[0], reaches[1], group * 2 + died[event], uniform_at(state, place + REACH))
                u = uniform_at(state, place + STAY)
                if reach < 0:
                    days = min(_number(stays, group, u, 0), horizon)
                else:
                    days = horizon if reaches[2][reach] == 1 else _shorter(stays, group, u, horizon)
                kinds[at], start[at] = of, day[event]
                stop[at] = day[event] + max(days, 0)
                clock = _entry(told[0], told[1], of, uniform_at(state, place + TOLD))
                how = told[2][clock] if clock >= 0 else 0
                start_minute[at], end_minute[at] = _minutes(
                    how, of, stop[at] == start[at], starts_at, spans, ends_at, state, place
                )
                at += 1


@njit(inline="always", nogil=True)
def _minutes(how, of, is_one_day, starts_at, spans, ends_at, state, place):
    """The minutes of a visit's start and end: -1 where none is told, 0 where only the date is."""
    begin, finish = how // 3 - 1, how % 3 - 1
    first = np.int64(min(begin, 0))
    if begin == 1:
        first = _number(starts_at, of, uniform_at(state, place + START), 0)
    last = np.int64(min(finish, 0))
    if finish == 1:
        u = uniform_at(state, place + LAST)
        is_span = is_one_day and begin == 1
        last = min(first + _number(spans, of, u, 0), 1439) if is_span else _number(ends_at, of, u, 0)
    if is_one_day and last >= 0:
        last = max(last, first)
    return first, last


@borrowing(cache=True)
def link_events(
    offsets, item, day, made, visit_of, visit_offsets, visits, links, repeats, bands, edges, states, records
):
    """Tell for each event its visit (ordinal in the person, -1: none) and how many records it has."""
    kinds, start, stop = visits
    of_event, count = records
    for person in range(offsets.size - 1):
        opened = visit_offsets[person]
        row, end = offsets[person], offsets[person + 1]
        while row < end:
            last, first_visit = row, opened
            while last < end and day[last] == day[row]:
                opened += made[last]
                last += 1
            own = first_visit
            for event in range(row, last):
                if visit_of[item[event]] >= 0:
                    of_event[event], count[event] = own - visit_offsets[person], made[event]
                    own += made[event]
                    continue
                own += made[event]
                place = (event - offsets[person]) * _DRAWS
                found = _linked(
                    links, item[event], first_visit, opened, kinds, uniform_at(states[person], place + LINK)
                )
                stay = stop[found] - start[found] if found >= 0 else 0
                of_event[event] = found - visit_offsets[person] if found >= 0 else NO_VISIT
                u = uniform_at(states[person], place + REPEAT)
                if stay > 0:  # what is done together in a stay is repeated together
                    u = uniform_at(states[person], _SHARED + np.int64(day[event]) * _REPEATS + _REPEATS - 1)
                count[event] = _number(repeats, item[event] * bands + band_of(stay, edges), u, 1)
            row = last


@njit(inline="always", nogil=True)
def _linked(links, item, first, last, kinds, u):
    """The visit of a day that an event is linked to, -1 for none: by what is usual on days with such visits."""
    starts, cumulative, state = links
    if first == last:
        return -1
    begin, end = starts[item], starts[item + 1]
    total = 0
    for at in range(begin, end):
        if state[at] == UNLINKED or (state[at] >= 0 and _visit_of_kind(kinds, first, last, state[at]) >= 0):
            total += cumulative[at] - (cumulative[at - 1] if at > begin else 0)
    if total == 0:  # never seen with such a visit: with the first one, unless it never is with any
        for at in range(begin, end):
            if state[at] >= 0:
                return first
        return -1
    wanted = u * total
    for at in range(begin, end):
        found = -1 if state[at] < 0 else _visit_of_kind(kinds, first, last, state[at])
        if state[at] == UNLINKED or found >= 0:
            wanted -= cumulative[at] - (cumulative[at - 1] if at > begin else 0)
            if wanted < 0.0:
                return found
    return -1


@njit(inline="always", nogil=True)
def _visit_of_kind(kinds, first, last, kind):
    for visit in range(first, last):
        if kinds[visit] == kind:
            return visit
    return -1


@borrowing(cache=True)
def fill_records(
    offsets, item, day, episode, of_event, count, visit_of, visit_offsets, visits, lags, bands, edges, states, records
):
    """Write each event as its records: item, contact day, episode, visit, and days since the contact's start."""
    start, stop = visits
    items, days, episodes, visit, offset = records
    at = 0
    for person in range(offsets.size - 1):
        for event in range(offsets[person], offsets[person + 1]):
            is_visit = visit_of[item[event]] >= 0
            stay = np.int64(0)
            if of_event[event] >= 0 and not is_visit:
                own = visit_offsets[person] + of_event[event]
                stay = np.int64(stop[own] - start[own])
            group = item[event] * bands + band_of(stay, edges)
            for repeat in range(count[event]):
                items[at], days[at], episodes[at] = item[event], day[event], episode[event]
                visit[at] = of_event[event] + (repeat if is_visit else 0)
                offset[at] = 0
                if stay > 0:
                    place = _SHARED + np.int64(day[event]) * _REPEATS + min(repeat, _REPEATS - 2)
                    offset[at] = min(_number(lags, group, uniform_at(states[person], place), 0), stay)
                at += 1


@borrowing(cache=True)
def count_details(kinds, details, states, visit_offsets, count):
    """Tell how many details each visit has."""
    for person in range(visit_offsets.size - 1):
        for visit in range(visit_offsets[person], visit_offsets[person + 1]):
            u = uniform_at(states[person], (visit - visit_offsets[person]) * _REPEATS)
            count[visit] = _number(details, kinds[visit], u, 0)


@borrowing(cache=True)
def fill_details(kinds, start, stop, count, follows, waits, lengths, states, visit_offsets, details):
    """Write each visit's details: kind, first and last day, and whether it lasts as long as the visit.

    ``follows`` gives the kind after a visit's kind and after a detail's kind, which are numbered after the visits'.
    """
    of_kind, first, last = details
    at = 0
    for person in range(visit_offsets.size - 1):
        for visit in range(visit_offsets[person], visit_offsets[person + 1]):
            before, day = kinds[visit], np.int64(start[visit])
            for detail in range(count[visit]):
                place = (visit - visit_offsets[person]) * _REPEATS + 1 + 3 * min(detail, 300)
                state = states[person]
                found = _entry(follows[0], follows[1], before, uniform_at(state, place))
                before = follows[2][found] if found >= 0 else before
                day = min(day + _number(waits, before, uniform_at(state, place + 1), 0), np.int64(stop[visit]))
                of_kind[at], first[at] = before, day
                days = _number(lengths, before, uniform_at(state, place + 2), -1)
                day = np.int64(stop[visit]) if days < 0 else min(day + days, np.int64(stop[visit]))
                last[at] = day
                at += 1
