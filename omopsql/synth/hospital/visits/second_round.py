"""What is counted of visits: how long they last, what lies in them and where, and the details that they have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.udfs import visits as kernel

from ..counting import hashed_records, put_represented
from ..lives import Int64s
from ..plan import TABLE_NUMBERS, TABLES, Items, Plan
from ..reading import Site, minutes_of_day
from ..sums import Sums, group_starts
from .statistics import (
    DETAIL,
    DETAILS,
    FOLLOWS,
    IN_DETAIL,
    LAG,
    LAST,
    LENGTHS,
    LINK,
    MOST_DETAILS,
    MOST_REPEATS,
    PRECEDING,
    REACH,
    REPEATS,
    SPAN,
    START,
    STAY,
    TOLD,
    VISIT,
    WAITS,
    bands,
    bands_left,
    limits,
)
from .stays import Stays, day_of, stay_days, whole

_WHOLE = -1  # the length of a detail that lasts until the visit's end


def sums(site: Site, plan: Plan) -> Sums:
    """Count the persons by their visits, and by how their records lie in visits."""
    found = Sums()
    rows = site.rows("visit_occurrence", plan.items) if site.has("visit_occurrence") else None
    stays = Stays.of(rows)
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


def _put_visits(sums: Sums, site: Site, items: Items, rows: pa.Table) -> None:
    known = (whole(rows["item"]) >= 0) & (whole(rows["contact"]) >= 0)
    rows = rows.filter(pa.array(known))
    person, day = whole(rows["person"]), whole(rows["day"])
    concept = items.concept[whole(rows["item"])]
    days = stay_days(rows)
    limit, died = limits(site.people, site.observed, person, day)
    horizon = np.maximum(limit - day, 0)
    band = bands_left(horizon)
    reached = (days >= horizon).astype(np.int64)
    begin, finish = minutes_of_day(rows["visit_start_datetime"]), minutes_of_day(rows["visit_end_datetime"])
    told = pc.is_valid(rows["preceding_visit_occurrence_id"]).to_numpy().astype(np.int64)
    hashes = hashed_records(site.people, person, day, days, concept, begin, finish, told)
    every = np.ones(len(person), np.bool_)
    _put(sums, REACH, person, hashes, every, [concept, band, died], [reached])
    _put(sums, STAY, person, hashes, reached == 0, [concept, band], [np.minimum(days, horizon)])
    _put(sums, TOLD, person, hashes, every, [concept], [3 * (np.minimum(begin, 1) + 1) + np.minimum(finish, 1) + 1])
    _put(sums, START, person, hashes, begin > 0, [concept], [begin])
    is_one_day = (days == 0) & (begin > 0)
    _put(sums, SPAN, person, hashes, is_one_day & (finish > 0), [concept], [np.maximum(finish - begin, 0)])
    _put(sums, LAST, person, hashes, ~is_one_day & (finish > 0), [concept], [finish])
    later = whole(rows["contact"]) > 0
    _put(sums, PRECEDING, person, hashes, later, [np.full(len(person), VISIT)], [told])


def _put_records(sums: Sums, site: Site, plan: Plan, name: str, rows: pa.Table, stays: Stays) -> None:
    """Count how often the records of a table are repeated in a contact, and how they lie in visits."""
    if name != "visit_occurrence":
        _put_in_detail(sums, site, TABLE_NUMBERS[name], rows, stays)
    item = whole(rows["item"])
    known = (item >= 0) & ~np.isin(item, list(plan.elsewhere))
    rows, item = rows.filter(pa.array(known)), item[known]
    person, day = whole(rows["person"]), whole(rows["day"])
    number, concept = np.full(len(item), TABLE_NUMBERS[name]), plan.items.concept[item]
    band = np.zeros(len(item), np.int64)
    if name != "visit_occurrence":
        visit = stays.found(person, whole(rows["contact"]))
        band = bands(stays.days(visit))
        _put_places(sums, site, rows, number, concept, visit, stays)
    first = group_starts([person, day, item], len(item))
    count = np.diff(np.append(first, len(item)))
    band = np.maximum.reduceat(band, first) if len(first) else band[:0]
    keys = [number[first], concept[first], band]
    contacts = hashed_records(site.people, person[first], day[first], count, *keys)
    every = np.ones(len(first), np.bool_)
    _put(sums, REPEATS, person[first], contacts, every, keys, [np.minimum(count, MOST_REPEATS)])


def _put_places(
    sums: Sums, site: Site, rows: pa.Table, number: Int64s, concept: Int64s, visit: Int64s, stays: Stays
) -> None:
    """Count how records are linked to visits, and lag behind their start."""
    person, day, own_day = (whole(rows[column]) for column in ("person", "day", "own_day"))
    state, days = stays.concepts(visit), stays.days(visit)
    state[(visit < 0) & stays.begin_on(person, day)] = kernel.UNLINKED
    lag = np.clip(own_day - stays.starts(visit), 0, days)
    hashes = hashed_records(site.people, person, day, own_day, concept, state, days, lag)
    _put(sums, LINK, person, hashes, np.ones(len(person), np.bool_), [number, concept], [state])
    _put(sums, LAG, person, hashes, days > 0, [number, concept, bands(days)], [lag])


def _put_in_detail(sums: Sums, site: Site, number: int, rows: pa.Table, stays: Stays) -> None:
    """Count whether the records of a table that lie in a visit tell its detail."""
    if "visit_detail_id" not in rows.column_names:
        return
    person, day, own_day, concept = (whole(rows[column]) for column in ("person", "day", "own_day", "concept_id"))
    visit = stays.found(person, whole(rows["contact"]))
    in_detail = pc.is_valid(rows["visit_detail_id"]).to_numpy().astype(np.int64)
    hashes = hashed_records(site.people, person, day, own_day, concept, in_detail)
    _put(sums, IN_DETAIL, person, hashes, visit >= 0, [np.full(len(person), number)], [in_detail])


def _put_details(sums: Sums, site: Site, visits: pa.Table, stays: Stays) -> None:
    """Count the details of visits: how many, which after which, how long after the one before, how long."""
    rows = site.rows("visit_detail")
    person, contact, concept = (whole(rows[name]) for name in ("person", "contact", "concept_id"))
    place = stays.found(person, contact)
    first, last = day_of(rows["visit_detail_start_date"]), day_of(rows["visit_detail_end_date"])
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
    hashes = hashed_records(
        site.people, person, first, last, concept, opens.astype(np.int64), before, position, days, told
    )
    every = np.ones(len(person), np.bool_)
    _put(sums, FOLLOWS, person, hashes, every, [opens.astype(np.int64), before], [concept])
    _put(sums, WAITS, person, hashes, every, [concept], [np.maximum(first - position, 0)])
    length = np.where(last >= start + days, _WHOLE, np.maximum(last - first, 0))
    _put(sums, LENGTHS, person, hashes, every, [concept], [length])
    later = np.append(False, person[1:] == person[:-1]) if len(person) else every
    _put(sums, PRECEDING, person, hashes, later, [np.full(len(person), DETAIL)], [told])
    _put_detail_counts(sums, site, visits, stays, place)


def _put_detail_counts(sums: Sums, site: Site, visits: pa.Table, stays: Stays, place: Int64s) -> None:
    """Count how many of the details (``place`` is the visit of each) a visit has."""
    person, contact, day = (whole(visits[name]) for name in ("person", "contact", "day"))
    own = stays.found(person, contact)
    count = np.append(np.bincount(place, minlength=int(own.max(initial=-1)) + 1), 0)[own]  # the last one: of no visit
    concept = stays.concepts(own)
    hashes = hashed_records(site.people, person, day, count, concept)
    _put(sums, DETAILS, person, hashes, own >= 0, [concept], [np.minimum(count, MOST_DETAILS)])


def _put(
    sums: Sums,
    statistic: str,
    person: Int64s,
    hashes: npt.NDArray[np.uint64],
    kept: npt.NDArray[np.bool_],
    given: list[Int64s],
    cell: list[Int64s],
) -> None:
    """Count one of the ``kept`` records of each person and ``given``, chosen by its hash, by ``given`` and ``cell``."""
    told = [column[kept] for column in cell]
    put_represented(sums, statistic, person[kept], hashes[kept], [column[kept] for column in given], *told)
