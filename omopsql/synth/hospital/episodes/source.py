"""What a real hospital tells of episodes: the episodes themselves, the records they may follow, and what links both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omopsql.udfs.courses import OPEN

from ..counting import hashed, hashed_records
from ..lives import Int32s, Int64s, offsets_of
from ..plan import TABLE_NUMBERS, TABLES, Items
from ..reading import Site, longs

LIFE = -1  # in the place of a parent's concept and object
ANY = -1  # in the place of an object: of whatever object
LINKED = tuple(name for name in TABLES if name != "episode")  # tables whose records an episode may hold
FIELDS = {  # the concept of the key that an event's table has: CDM fields in the vocabulary; others are looked up there
    1147127: "condition_occurrence",
    1147094: "drug_exposure",
    1147082: "procedure_occurrence",
    1147138: "measurement",
}
_DEEPEST = 8  # levels of parents


@dataclass(frozen=True)
class Episodes:
    """Episodes by person and first day, counted from birth; ``end`` is ``OPEN`` for one that goes on.

    ``parent`` is the place of the parent among them, -1 without one; ``number`` what the source numbers it by, -1 where
    nothing; ``key`` its place among the sorted keys of the source.
    """

    person: Int32s
    concept: Int64s
    object: Int64s
    start: Int64s
    end: Int64s
    parent: Int64s
    number: Int64s
    key: Int64s
    hashes: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.person)

    @property
    def parents(self) -> tuple[Int64s, Int64s]:
        """The concept and the object of each episode's parent."""
        return _of_parent(self.concept, self.parent), _of_parent(self.object, self.parent)

    def first_day(self, first: Int64s) -> Int64s:
        """The first day of what each episode lies in, given that of each person's observation."""
        return np.where(self.parent >= 0, self.start[self.parent], first[self.person])

    def last_day(self, last: Int64s) -> Int64s:
        """The last day of what each episode lies in: of observation, or of the parent if that has an end."""
        own = last[self.person]
        return np.where(self.parent >= 0, np.minimum(self.end[self.parent], own), own)


def _of_parent(values: Int64s, parent: Int64s) -> Int64s:
    return np.where(parent >= 0, values[parent], LIFE) if len(values) else values


@dataclass(frozen=True)
class Records:
    """Records by person, day and item; ``key`` is the source's."""

    offsets: Int64s
    person: Int32s
    day: Int64s
    item: Int64s
    key: Int64s

    def __len__(self) -> int:
        return len(self.day)

    def where(self, kept: npt.NDArray[np.bool_]) -> Records:
        """Those of the records that are marked."""
        person = self.person[kept]
        offsets = offsets_of(person, len(self.offsets) - 1)
        return Records(offsets, person, self.day[kept], self.item[kept], self.key[kept])

    def between(self, person: npt.NDArray[np.integer], first: Int64s, last: Int64s) -> tuple[Int64s, Int64s]:
        """Pairs of a span of days and a record in it: the span's place and the record's."""
        begins = (self.person.astype(np.int64) << _DAY_BITS) + self.day
        wanted = np.asarray(person, np.int64) << _DAY_BITS
        low = np.searchsorted(begins, wanted + first)
        sizes = np.maximum(np.searchsorted(begins, wanted + last, side="right") - low, 0)
        span = np.repeat(np.arange(len(low)), sizes)
        return span, np.repeat(low - (np.cumsum(sizes) - sizes), sizes) + np.arange(len(span))


_DAY_BITS = 32


def read_episodes(site: Site) -> tuple[Episodes, Int64s]:
    """Read the episodes of the CDM, and the source's keys of them, sorted."""
    if not site.has("episode"):
        nothing = np.zeros(0, np.int64)
        none, unhashed = nothing.astype(np.int32), nothing.astype(np.uint64)
        return Episodes(none, nothing, nothing, nothing, nothing, nothing, nothing, nothing, unhashed), nothing
    rows = site.rows("episode")
    person, start = longs(rows["person"]), longs(rows["own_day"])
    concept, of = longs(rows["concept_id"]), longs(rows["episode_object_concept_id"])
    end = longs(rows["episode_end_date"].cast(pa.date32()).cast(pa.int32()), OPEN)
    end = np.where(end == OPEN, OPEN, np.maximum(end - site.people.birth[person], start))
    number = longs(rows["episode_number"], -1)
    keys, key = np.unique(longs(rows["episode_id"]), return_inverse=True)
    hashes = hashed_records(site.people, person, start, end, concept, of, number)
    order = np.lexsort((hashes, number, end, of, concept, start, person))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    parent = _parents(person, key.reshape(-1), keys, longs(rows["episode_parent_id"], -1), place)[order]
    concept, of, start, end, number, key = (
        column[order] for column in (concept, of, start, end, number, key.reshape(-1))
    )
    own = person[order].astype(np.int32)
    return Episodes(own, concept, of, start, end, _rooted(parent), number, key, hashes[order]), keys


def _parents(person: Int64s, key: Int64s, keys: Int64s, wanted: Int64s, place: Int64s) -> Int64s:
    """The place of the parent of each episode: another one of the same person."""
    if not len(keys):
        return wanted
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    row_of = np.full(len(keys), -1, np.int64)
    row_of[key[::-1]] = np.arange(len(key))[::-1]
    row = row_of[at]
    is_parent = (keys[at] == wanted) & (person[row] == person) & (row != np.arange(len(row)))
    return np.where(is_parent, place[row], -1)


def _rooted(parent: Int64s) -> Int64s:
    """Parents without circles: what leads to no episode without a parent is one itself."""
    known = parent < 0
    for _ in range(_DEEPEST):
        known |= known[parent] & (parent >= 0)
    return np.where(known, parent, -1)


def read_records(site: Site, items: Items, tables: tuple[str, ...]) -> Records:
    """Read the records of some tables that are items."""
    parts = [site.keyed(name, items) for name in tables if site.has(name)]
    person, item, day, key = (
        np.concatenate([np.zeros(0, np.int64), *(longs(part[name]) for part in parts)])
        for name in ("person", "item", "own_day", "key")
    )
    order = np.lexsort((key, item, day, person))
    offsets = offsets_of(person[order], len(site.people))
    return Records(offsets, person[order].astype(np.int32), day[order], item[order], key[order])


@dataclass(frozen=True)
class Links:
    """What links an episode to a record, each once: their places among the episodes and the records."""

    episode: Int64s
    record: Int64s
    field: Int64s


def read_links(site: Site, episodes: Episodes, keys: Int64s, records: Records, items: Items) -> Links:
    """Read the links to records of the same person. The concept of the field tells the record's table."""
    if not (site.has("episode_event") and len(episodes) and len(records)):
        return Links(*[np.zeros(0, np.int64)] * 3)
    rows = site.plain("episode_event")
    wanted, event, field = (
        longs(rows[name], -1) for name in ("episode_id", "event_id", "episode_event_field_concept_id")
    )
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    episode_of = np.empty(len(keys), np.int64)
    episode_of[episodes.key[::-1]] = np.arange(len(episodes))[::-1]
    episode, is_known = episode_of[at], keys[at] == wanted
    table = _tables_of(site, field)
    is_known &= table >= 0
    episode, event, table, field = (column[is_known] for column in (episode, event, table, field))
    record = _found(records, items, table, event)
    fits = (record >= 0) & (records.person[record] == episodes.person[episode])
    pairs = np.unique(np.column_stack([episode, record, field])[fits], axis=0)
    return Links(pairs[:, 0], pairs[:, 1], pairs[:, 2])


def _found(records: Records, items: Items, table: Int64s, key: Int64s) -> Int64s:
    """The place of the record of each key in a table, -1 without one."""
    keys, code = np.unique(np.concatenate([records.key, key]), return_inverse=True)
    code = code.reshape(-1)
    span = len(keys)
    own = items.table[records.item].astype(np.int64) * span + code[: len(records)]
    order = np.argsort(own, kind="stable")
    wanted = table * span + code[len(records) :]
    at = np.minimum(np.searchsorted(own[order], wanted), len(own) - 1)
    return np.where(own[order][at] == wanted, order[at], -1)


def _tables_of(site: Site, field: Int64s) -> Int64s:
    """The number of the table that each concept of a field is of, -1 for one that is none."""
    known = {concept: TABLE_NUMBERS[name] for concept, name in FIELDS.items()}
    names = {f"{name}.{name}_id": TABLE_NUMBERS[name] for name in LINKED}
    distinct, place = np.unique(field, return_inverse=True)
    known |= {concept: names[name] for concept, name in site.named(distinct[distinct > 0], list(names))}
    return np.array([known.get(concept, -1) for concept in distinct.tolist()], np.int64)[place.reshape(-1)]


def mixed(hashes: npt.NDArray[np.uint64], *said: npt.NDArray[np.integer]) -> npt.NDArray[np.uint64]:
    """Hash rows once more, with what else they say."""
    return hashed(hashes.view(np.int64), *said)
