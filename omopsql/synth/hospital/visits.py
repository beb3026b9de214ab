"""The layer of visits: which contacts are visits, how long they last, and where in them the events fall.

A visit lasts until the end of the person's time as often as it does in the source, or else as long as others of its
kind with as much time left. Events on the first day of a visit belong to it as often as theirs do, are repeated within
it, and lag behind its start. Events that are never outside a visit open one where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.udfs import visits as kernel
from omopsql.udfs.attributes import represent

from .attributes import states_of
from .events.counting import counted, hashed
from .lives import Events, Int32s, Int64s, Lives, People, Visits
from .plan import TABLE_NUMBERS, TABLES, Items, Plan
from .reading import Site
from .release import DROP, POOL, Rule
from .sums import Sums

STAY, REACH, REPEATS, LINK, LAG = "visits.stay", "visits.reach", "visits.repeats", "visits.link", "visits.lag"
TOLD, START, SPAN, LAST = "visits.told", "visits.start_minute", "visits.span_minutes", "visits.end_minute"
DETAILS, FOLLOWS = "visits.details", "visits.detail_follows"
WAITS, LENGTHS = "visits.detail_waits", "visits.detail_lengths"
PRECEDING = "visits.preceding"
IN_DETAIL = "visits.in_detail"
RULES: dict[str, Rule] = {
    **dict.fromkeys((STAY, REPEATS, LAG, START, SPAN, LAST, DETAILS, WAITS, LENGTHS), POOL),
    **dict.fromkeys((REACH, LINK, TOLD, FOLLOWS, PRECEDING, IN_DETAIL), DROP),
}

EDGES = np.array([1, 4, 8, 31], np.int64)  # days at which the bands of stays and of horizons begin
_BANDS = len(EDGES) + 1
_MOST_REPEATS, _MOST_DETAILS = 100, 20
_WHOLE = -1  # the length of a detail that lasts until the visit's end
_VISIT, _DETAIL = TABLE_NUMBERS["visit_occurrence"], len(TABLES)
_LAYER = 16
_MINUTE = 60_000_000  # microseconds


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


class Details(NamedTuple):
    """Details of visits: the visit of each (its place in the batch), its kind (likewise), first and last day."""

    visit: Int64s
    kind: Int32s
    start: Int32s
    end: Int32s


# Counting


def margins(site: Site) -> Sums:
    """Count nothing: this layer decides nothing by margins."""
    return Sums()


def sums(site: Site, plan: Plan) -> Sums:
    """Count the persons by their visits, and by how their records lie in visits."""
    found = Sums()
    rows = site.rows("visit_occurrence", plan.items) if site.has("visit_occurrence") else None
    stays = _Stays.of(site, rows)
    if rows is not None:
        _put_visits(found, site, plan.items, rows)
    for name in TABLES:
        if site.has(name):
            records = rows if name == "visit_occurrence" else site.rows(name, plan.items)
            if records is not None and records.num_rows:
                _put_records(found, site, plan, name, records, stays)
    if rows is not None and site.has("visit_detail"):
        _put_details(found, site, rows, stays)
    return found


class _Stays:
    """The visits of people: the length of each, its concept, and the days on which any begins."""

    def __init__(self, person: Int64s, contact: Int64s, day: Int64s, days: Int64s, concept: Int64s) -> None:
        order = np.lexsort((contact, person))
        self._keys = (person * _CONTACTS + contact)[order]
        self._days, self._concept, self._start = days[order], concept[order], day[order]
        self._begun = np.unique(person * _DAYS + day)

    @classmethod
    def of(cls, site: Site, rows: pa.Table | None) -> _Stays:
        if rows is None:
            empty = np.zeros(0, np.int64)
            return cls(empty, empty, empty, empty, empty)
        person, contact, day = (_whole(rows[name]) for name in ("person", "contact", "day"))
        kept = contact >= 0
        return cls(person[kept], contact[kept], day[kept], _stay_days(rows)[kept], _whole(rows["concept_id"])[kept])

    def found(self, person: Int64s, contact: Int64s) -> Int64s:
        """The place of each contact, -1 without one."""
        if not len(self._keys):
            return np.full(len(person), -1, np.int64)
        keys = person * _CONTACTS + contact
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where((contact >= 0) & (self._keys[place] == keys), place, -1)

    def days(self, place: Int64s) -> Int64s:
        """The length of each visit, 0 without one."""
        return np.append(self._days, 0)[place]

    def concepts(self, place: Int64s) -> Int64s:
        """The concept of each visit; without one, that it is outside of any."""
        return np.append(self._concept, kernel.OUTSIDE)[place]

    def starts(self, place: Int64s) -> Int64s:
        """The first day of each visit, 0 without one."""
        return np.append(self._start, 0)[place]

    def begin_on(self, person: Int64s, day: Int64s) -> npt.NDArray[np.bool_]:
        """Whether a visit of the person begins on a day."""
        return np.isin(person * _DAYS + day, self._begun)


_CONTACTS, _DAYS = 1 << 30, 1 << 20


def _put_visits(sums: Sums, site: Site, items: Items, rows: pa.Table) -> None:
    known = (_whole(rows["item"]) >= 0) & (_whole(rows["contact"]) >= 0)
    rows = rows.filter(pa.array(known))
    person, day = _whole(rows["person"]), _whole(rows["day"])
    concept = items.concept[_whole(rows["item"])]
    days = _stay_days(rows)
    people = site.people
    died = (people.death[person] >= 0).astype(np.int64)
    limit = _limits(people)[person].astype(np.int64)
    horizon = np.maximum(limit - day, 0)
    band = bands(horizon)
    reached = (days >= horizon).astype(np.int64)
    begin, finish = _minute(rows["visit_start_datetime"]), _minute(rows["visit_end_datetime"])
    told = pc.is_valid(rows["preceding_visit_occurrence_id"]).to_numpy().astype(np.int64)
    hashes = _hashes(site, person, day, days, concept, begin, finish, told)
    every = np.ones(len(person), np.bool_)
    _put(sums, REACH, person, hashes, every, [concept, band, died], [reached])
    _put(sums, STAY, person, hashes, reached == 0, [concept, band], [np.minimum(days, horizon)])
    _put(sums, TOLD, person, hashes, every, [concept], [3 * (np.minimum(begin, 1) + 1) + np.minimum(finish, 1) + 1])
    _put(sums, START, person, hashes, begin > 0, [concept], [begin])
    is_one_day = (days == 0) & (begin > 0)
    _put(sums, SPAN, person, hashes, is_one_day & (finish > 0), [concept], [np.maximum(finish - begin, 0)])
    _put(sums, LAST, person, hashes, ~is_one_day & (finish > 0), [concept], [finish])
    later = _whole(rows["contact"]) > 0
    _put(sums, PRECEDING, person, hashes, later, [np.full(len(person), _VISIT)], [told])


def _put_records(sums: Sums, site: Site, plan: Plan, name: str, rows: pa.Table, stays: _Stays) -> None:
    """Count how often the records of a table are repeated in a contact, and how they lie in visits."""
    if name != "visit_occurrence":
        _put_in_detail(sums, site, TABLE_NUMBERS[name], rows, stays)
    item = _whole(rows["item"])
    known = (item >= 0) & ~np.isin(item, list(plan.dense))
    rows, item = rows.filter(pa.array(known)), item[known]
    person, day = _whole(rows["person"]), _whole(rows["day"])
    number, concept = np.full(len(item), TABLE_NUMBERS[name]), plan.items.concept[item]
    band = np.zeros(len(item), np.int64)
    if name != "visit_occurrence":
        visit = stays.found(person, _whole(rows["contact"]))
        band = bands(stays.days(visit))
        _put_places(sums, site, rows, number, concept, visit, stays)
    first, count = _runs(person, day, item)
    band = np.maximum.reduceat(band, first) if len(first) else band[:0]
    keys = [number[first], concept[first], band]
    contacts = _hashes(site, person[first], day[first], count, *keys)
    every = np.ones(len(first), np.bool_)
    _put(sums, REPEATS, person[first], contacts, every, keys, [np.minimum(count, _MOST_REPEATS)])


def _put_places(
    sums: Sums, site: Site, rows: pa.Table, number: Int64s, concept: Int64s, visit: Int64s, stays: _Stays
) -> None:
    """Count how records are linked to visits, and lag behind their start."""
    person, day, own_day = (_whole(rows[column]) for column in ("person", "day", "own_day"))
    state, days = stays.concepts(visit), stays.days(visit)
    state[(visit < 0) & stays.begin_on(person, day)] = kernel.UNLINKED
    lag = np.clip(own_day - stays.starts(visit), 0, days)
    hashes = _hashes(site, person, day, own_day, concept, state, days, lag)
    _put(sums, LINK, person, hashes, np.ones(len(person), np.bool_), [number, concept], [state])
    _put(sums, LAG, person, hashes, days > 0, [number, concept, bands(days)], [lag])


def _put_in_detail(sums: Sums, site: Site, number: int, rows: pa.Table, stays: _Stays) -> None:
    """Count whether the records of a table that lie in a visit tell its detail."""
    if "visit_detail_id" not in rows.column_names:
        return
    person, day, own_day, concept = (_whole(rows[column]) for column in ("person", "day", "own_day", "concept_id"))
    visit = stays.found(person, _whole(rows["contact"]))
    in_detail = pc.is_valid(rows["visit_detail_id"]).to_numpy().astype(np.int64)
    hashes = _hashes(site, person, day, own_day, concept, in_detail)
    _put(sums, IN_DETAIL, person, hashes, visit >= 0, [np.full(len(person), number)], [in_detail])


def _put_details(sums: Sums, site: Site, visits: pa.Table, stays: _Stays) -> None:
    """Count the details of visits: how many, which after which, how long after the one before, how long."""
    rows = site.rows("visit_detail")
    person, contact, concept = (_whole(rows[name]) for name in ("person", "contact", "concept_id"))
    place = stays.found(person, contact)
    first, last = _day(rows["visit_detail_start_date"]), _day(rows["visit_detail_end_date"])
    kept = place >= 0
    order = np.lexsort((concept[kept], last[kept], first[kept], place[kept]))
    person, place, concept = person[kept][order], place[kept][order], concept[kept][order]
    birth = site.people.birth[person]
    first, last = first[kept][order] - birth, last[kept][order] - birth
    start, days, kind = stays.starts(place), stays.days(place), stays.concepts(place)
    opens = np.append(True, place[1:] != place[:-1]) if len(place) else np.zeros(0, np.bool_)
    before = np.where(opens, kind, np.roll(concept, 1))
    position = np.where(opens, start, np.roll(last, 1))
    told = pc.is_valid(rows["preceding_visit_detail_id"]).to_numpy().astype(np.int64)[kept][order]
    hashes = _hashes(site, person, first, last, concept, opens.astype(np.int64), before, position, days, told)
    every = np.ones(len(person), np.bool_)
    _put(sums, FOLLOWS, person, hashes, every, [opens.astype(np.int64), before], [concept])
    _put(sums, WAITS, person, hashes, every, [concept], [np.maximum(first - position, 0)])
    length = np.where(last >= start + days, _WHOLE, np.maximum(last - first, 0))
    _put(sums, LENGTHS, person, hashes, every, [concept], [length])
    later = np.append(False, person[1:] == person[:-1]) if len(person) else every
    _put(sums, PRECEDING, person, hashes, later, [np.full(len(person), _DETAIL)], [told])
    _put_detail_counts(sums, site, visits, stays, place)


def _put_detail_counts(sums: Sums, site: Site, visits: pa.Table, stays: _Stays, place: Int64s) -> None:
    """Count how many of the details (``place`` is the visit of each) a visit has."""
    person, contact, day = (_whole(visits[name]) for name in ("person", "contact", "day"))
    own = stays.found(person, contact)
    count = np.bincount(place, minlength=int(own.max(initial=-1)) + 1)[own]
    concept = stays.concepts(own)
    hashes = _hashes(site, person, day, count, concept)
    _put(sums, DETAILS, person, hashes, own >= 0, [concept], [np.minimum(count, _MOST_DETAILS)])


def _put(
    sums: Sums,
    statistic: str,
    person: Int64s,
    hashes: npt.NDArray[np.uint64],
    kept: npt.NDArray[np.bool_],
    given: list[Int64s],
    cell: list[Int64s],
) -> None:
    """Count the persons by ``cell``, given ``given``: of each person one row in each ``given``, chosen by its hash."""
    person, hashes = person[kept], hashes[kept]
    given, cell = [column[kept] for column in given], [column[kept] for column in cell]
    groups, group = _grouped(given)
    chosen = np.zeros(len(person), np.bool_)
    represent(person, group, hashes, groups, chosen)
    keys, n = counted(*(column[chosen] for column in [*given, *cell]))
    sums.put(statistic, keys, n)


def _grouped(columns: list[Int64s]) -> tuple[int, Int64s]:
    """Number the distinct rows of some columns."""
    group = np.zeros(len(columns[0]), np.int64)
    groups = 1
    for column in columns:
        values, codes = np.unique(column, return_inverse=True)
        distinct, group = np.unique(group * len(values) + codes, return_inverse=True)
        groups = len(distinct)
    return groups, group


def _runs(person: Int64s, day: Int64s, item: Int64s) -> tuple[Int64s, Int64s]:
    """Where each run of records of one person, day and item begins, and how long it is."""
    begins = np.ones(len(person), np.bool_)
    begins[1:] = (person[1:] != person[:-1]) | (day[1:] != day[:-1]) | (item[1:] != item[:-1])
    first = np.flatnonzero(begins)
    return first, np.diff(np.append(first, len(person)))


def _hashes(site: Site, person: Int64s, *said: Int64s) -> npt.NDArray[np.uint64]:
    people = site.people
    held = np.bincount(person, minlength=len(people))[person]
    return hashed(held, people.birth[person], people.end[person] - people.start[person], *said)


def _limits(people: People) -> Int32s:
    """The last day of each person's time."""
    return np.where(people.death >= 0, np.minimum(people.death, people.end), people.end).astype(np.int32)


def bands(days: Int64s) -> Int64s:
    """The band of each number of days."""
    return np.searchsorted(EDGES, days, side="right").astype(np.int64)


def _stay_days(rows: pa.Table) -> Int64s:
    first, last = _day(rows["visit_start_date"]), _day(rows["visit_end_date"])
    return np.maximum(np.where(last < 0, 0, last - first), 0)


def _whole(column: pa.ChunkedArray) -> Int64s:
    return _int64s(pc.fill_null(column, -1))


def _day(column: pa.ChunkedArray) -> Int64s:
    """Days since 1970-01-01; a missing date is far back."""
    return _int64s(pc.fill_null(column.cast(pa.date32()).cast(pa.int32()), -(1 << 30)))


def _int64s(column: pa.ChunkedArray) -> Int64s:
    found: Int64s = column.to_numpy().astype(np.int64)
    return found


def _minute(column: pa.ChunkedArray) -> Int64s:
    """The minute of the day, -1 where it is missing."""
    microseconds = column.cast(pa.timestamp("us")).cast(pa.int64())
    known = pc.is_valid(microseconds).to_numpy()
    return np.where(known, pc.fill_null(microseconds, 0).to_numpy() // _MINUTE % 1440, -1)


# Compiling


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
    group = items.find(keys[:, 0], keys[:, 1]) * _BANDS + keys[:, 2]
    known = np.unique(group)
    parts = [np.column_stack([group, keys[:, 3:], n])]
    for table in np.unique(keys[:, 0]).tolist():
        of_table = np.flatnonzero(items.table == table)
        for band in range(_BANDS):
            rows = (keys[:, 0] == table) & (keys[:, 2] == band)
            missing = np.setdiff1d(of_table * _BANDS + band, known)
            bins = np.column_stack([keys[rows, 3:], n[rows]])
            parts.append(np.column_stack([np.repeat(missing, len(bins)), np.tile(bins, (len(missing), 1))]))
    bins = np.concatenate(parts)
    return Shares.of(bins[:, 0], bins[:, 1], bins[:, 2], bins[:, 3], max(len(items), 1) * _BANDS)


def _by_kind(released: Sums, statistic: str, kinds: dict[int, int], pooled: int, groups: int | None = None) -> Shares:
    """Bins by kind, of ``groups`` kinds in all; ``pooled`` is 1 for bins that have a first and a last number."""
    keys, n = released.get(statistic, 2 + pooled)
    return Shares.of(_places(keys[:, 0], kinds), keys[:, 1], keys[:, -1], n, len(kinds) if groups is None else groups)


def _stays(released: Sums, kinds: dict[int, int]) -> Shares:
    """Stays by kind and band of the horizon; a band that was not released has those of the whole kind."""
    keys, n = released.get(STAY, 4)
    kind = _places(keys[:, 0], kinds)
    group = kind * _BANDS + keys[:, 1]
    parts = [np.column_stack([group, keys[:, 2:], n])]
    for missing in np.setdiff1d(np.arange(len(kinds) * _BANDS), group).tolist():
        rows = kind == missing // _BANDS
        parts.append(np.column_stack([np.full(rows.sum(), missing), keys[rows, 2:], n[rows]]))
    bins = np.concatenate(parts)
    return Shares.of(bins[:, 0], bins[:, 1], bins[:, 2], bins[:, 3], len(kinds) * _BANDS)


def _reaches(released: Sums, kinds: dict[int, int]) -> Shares:
    keys, n = released.get(REACH, 4)
    group = (_places(keys[:, 0], kinds) * _BANDS + keys[:, 1]) * 2 + keys[:, 2]
    group[_places(keys[:, 0], kinds) < 0] = -1
    return Shares.of(group, keys[:, 3], keys[:, 3], n, len(kinds) * _BANDS * 2)


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


# Generating


def generate(model: VisitModel, people: People, events: Events, seed: int, numbers: Int64s) -> tuple[Events, Visits]:
    """Make the visits of some people, and the records of their events.

    Returns events in which each record stands on its own, by person and contact day, and the visits by person.
    """
    states = np.empty(len(numbers), np.uint64)
    kernel.start_streams(seed, numbers, _LAYER, states)
    own = events.offsets, events.item, events.day
    made, kind = np.zeros(len(events), np.int32), np.zeros(len(events), np.int32)
    kernel.open_visits(
        *own, model.visit_of, model.needs_visit, model.links.states, model.repeats, _BANDS, states, made, kind
    )
    visits, kinds = _visits(model, people, events, made, kind, states)
    of_event, count = np.empty(len(events), np.int32), np.empty(len(events), np.int32)
    spans = visits.start, visits.end
    kernel.link_events(
        *own,
        made,
        model.visit_of,
        visits.offsets,
        (kinds, *spans),
        model.links.states,
        model.repeats,
        _BANDS,
        EDGES,
        states,
        (of_event, count),
    )
    records = tuple(np.empty(int(count.sum()), np.int32) for _ in range(5))
    kernel.fill_records(
        *own,
        events.episode,
        of_event,
        count,
        model.visit_of,
        visits.offsets,
        spans,
        model.lags,
        _BANDS,
        EDGES,
        states,
        records,
    )
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(count, dtype=np.int64)])[events.offsets]
    item, day, episode, visit, offset = records
    return Events.generated(offsets, item, day, episode), replace(visits, of_event=visit, offset=offset)


def _visits(
    model: VisitModel, people: People, events: Events, made: Int32s, kind: Int32s, states: npt.NDArray[np.uint64]
) -> tuple[Visits, Int32s]:
    """The visits without what lies in them, and their kinds."""
    columns = tuple(np.empty(int(made.sum()), np.int32) for _ in range(5))
    died = (people.death >= 0).astype(np.int64)
    kernel.fill_visits(
        events.offsets,
        events.day,
        made,
        kind,
        _limits(people),
        died,
        EDGES,
        model.stays,
        model.reaches.states,
        model.told.states,
        model.start_minutes,
        model.spans,
        model.end_minutes,
        states,
        columns,
    )
    kinds, start, end, start_minute, end_minute = columns
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(made, dtype=np.int64)])[events.offsets]
    nothing = np.zeros(0, np.int32)
    visits = Visits(offsets, model.items[kinds], start, end, start_minute, end_minute, nothing, nothing)
    return visits, kinds


def details(model: VisitModel, lives: Lives) -> Details:
    """Make the details of the visits of some lives, one after the other within each."""
    visits, states = lives.visits, states_of(lives, _DETAIL)
    assert visits is not None
    kinds = model.visit_of[visits.item]
    count = np.zeros(len(visits), np.int64)
    if len(model.detail_concepts):
        kernel.count_details(kinds, model.details, states, visits.offsets, count)
    columns = tuple(np.empty(int(count.sum()), np.int32) for _ in range(3))
    kernel.fill_details(
        kinds,
        visits.start,
        visits.end,
        count,
        model.follows.states,
        model.waits,
        model.lengths,
        states,
        visits.offsets,
        columns,
    )
    kind, start, end = columns
    return Details(np.repeat(np.arange(len(visits)), count), kind - np.int32(len(model.items)), start, end)
