"""The numeric records of a CDM as arrays: every value with its series, and the stays with many of them.

A series is a concept in a unit, such as systolic blood pressure. The ways of telling it are what the source calls it:
by cuff, in the artery, or both at one moment. Without a concept, each of the source's names is a series.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from omopsql.udfs.stream import mixed

from ..lives import Doubles, Int32s, Int64s
from ..plan import TABLE_NUMBERS
from ..reading import Site, minutes_of_day
from .grid import value_bins
from .stays import Records, Stays, picks

TABLES = ("measurement", "observation")
TOLD = ("unit", "unit_code", "source_concept", "code")  # what a label says of a series' records
DAY = 1440  # minutes
_INTENSIVE = 6  # moments of a visit that have values
_LONGEST_CODE = 32
_AT_ONCE = 3  # values of one series at one moment that are known


@dataclass(frozen=True)
class Series:
    """Series by their place: a hash that names each everywhere, table number, concept, unit concept and a label."""

    hashes: Int64s
    table: Int64s
    concept: Int64s
    unit: Int64s
    labels: list[str]


@dataclass(frozen=True)
class Labels:
    """Texts by their place, and hashes that name them everywhere."""

    hashes: Int64s
    labels: list[str]


@dataclass(frozen=True)
class Numbers:
    """Numeric values, by person, contact (a visit's ordinal or -1), series, day and minute, one a moment."""

    series: Series
    ways: Labels
    person: Int32s
    contact: Int32s
    of_series: Int32s
    of_way: Int32s
    day: Int32s
    minute: Int32s
    value: Doubles

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True)
class Contacts:
    """Visits: person, ordinal, concept, first and last day, minute of the start, and kind of care (hash, label)."""

    person: Int32s
    contact: Int32s
    concept: Int64s
    start: Int32s
    end: Int32s
    minute: Int32s
    care: Int64s
    labels: dict[int, str]


def hashed(text: str) -> int:
    """A number of 63 bits that stands for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def read_contacts(site: Site) -> Contacts:
    """Read the visits of a site, each with the kind of care that its first detail tells."""
    rows = site.rows("visit_occurrence")
    person, contact = _ints(rows["person"]), _ints(rows["contact"])
    kept = np.flatnonzero(contact >= 0)
    birth = site.people.birth[person[kept]]
    ends = pc.cast(rows["visit_end_date"], pa.int32()).fill_null(-(1 << 30)).to_numpy()[kept]
    start = _ints(rows["day"])[kept]
    end = np.minimum(np.maximum(ends - birth, start), np.maximum(site.people.end[person[kept]], start))
    concept = rows["concept_id"].to_numpy()[kept].astype(np.int64)
    told = _first_details(site)
    labels, care = {}, np.zeros(len(kept), np.int64)
    names: dict[tuple[int, str], int] = {}
    for i, key in enumerate(zip(person[kept].tolist(), contact[kept].tolist(), concept.tolist(), strict=True)):
        name = (key[2], told.get(key[:2], ""))
        if name not in names:
            label = json.dumps({"visit": name[0], "detail": name[1]}, sort_keys=True)
            names[name] = hashed(label)
            labels[names[name]] = label
        care[i] = names[name]
    return Contacts(
        person[kept],
        contact[kept],
        concept,
        start,
        end.astype(np.int32),
        minutes_of_day(rows["visit_start_datetime"])[kept].astype(np.int32),
        care,
        labels,
    )


def _first_details(site: Site) -> dict[tuple[int, int], str]:
    """The source's code of the first detail of each visit, where it is short."""
    if not site.has("visit_detail"):
        return {}
    rows = site.rows("visit_detail")
    told: dict[tuple[int, int], str] = {}
    columns = (rows["person"], rows["contact"], rows["visit_detail_source_value"])
    for person, contact, source in zip(*(column.to_pylist() for column in columns), strict=True):
        if contact >= 0 and source and len(source) <= _LONGEST_CODE:
            told.setdefault((person, contact), source)
    return told


def read_numbers(site: Site, contacts: Contacts) -> Numbers:
    """Read all numeric records of a site."""
    parts: list[tuple[Any, ...]] = [
        part for table in TABLES if site.has(table) for part in [_read(site, table, contacts)]
    ]
    if not parts:
        parts = [([], *(np.zeros(0, np.int64) for _ in range(5)), np.zeros(0))]
    told = sorted({name for part in parts for name in part[0]})
    names = sorted({series_of(label) for label in told})
    place, number = {label: at for at, label in enumerate(told)}, {name: at for at, name in enumerate(names)}
    renumbered = [
        np.array([place[label] for label in part[0]], np.int32)[part[1]] if len(part[1]) else part[1] for part in parts
    ]
    of_label, person, contact, day, minute = (
        np.concatenate(columns).astype(np.int32)
        for columns in (renumbered, *([part[k] for part in parts] for k in (2, 3, 4, 5)))
    )
    of_series = np.array([number[series_of(label)] for label in told], np.int32)[of_label] if told else of_label
    value = np.concatenate([part[6] for part in parts])
    columns = [person, contact, of_series, day, minute, of_label, value]
    order = np.lexsort(columns[::-1])
    return at_moments(_series(names), told, *(column[order] for column in columns))


def at_moments(
    series: Series,
    told: list[str],
    person: Int32s,
    contact: Int32s,
    of_series: Int32s,
    day: Int32s,
    minute: Int32s,
    of_label: Int32s,
    value: Doubles,
) -> Numbers:
    """Let one value, chosen by its content, represent those of one series and moment; its way tells of all of them."""
    starts, ends = _runs(person, contact, of_series, day, minute)
    moment = np.repeat(np.arange(len(starts)), ends - starts)
    known = np.array([hashed(label) for label in told], np.int64)
    chance = chances(thousandths(value), minute, known[of_label] if told else of_label)
    chosen = np.lexsort((chance, moment))[starts]
    labels = np.full((len(starts), _AT_ONCE), -1, np.int32)
    for place in range(_AT_ONCE):
        has = np.flatnonzero(ends - starts > place)
        labels[has, place] = of_label[starts[has] + place]
    ways, of_way = np.unique(labels, axis=0, return_inverse=True)
    names = [f"[{', '.join(told[label] for label in way if label >= 0)}]" for way in ways.tolist()]
    return Numbers(
        series=series,
        ways=Labels(np.array(list(map(hashed, names)), np.int64), names),
        person=person[chosen],
        contact=contact[chosen],
        of_series=of_series[chosen],
        of_way=of_way.reshape(-1).astype(np.int32),
        day=day[chosen],
        minute=minute[chosen],
        value=value[chosen],
    )


def series_of(label: str) -> str:
    """The series of what is so labelled: concept and unit; the label itself where there is no concept."""
    told = json.loads(label)
    if not told["concept"]:
        return label
    return json.dumps({name: told[name] for name in ("concept", "table", "unit")}, sort_keys=True)


def _series(names: list[str]) -> Series:
    told = [json.loads(name) for name in names]
    table, concept, unit = (np.array([one[key] for one in told], np.int64) for key in ("table", "concept", "unit"))
    return Series(np.array([hashed(name) for name in names], np.int64), table, concept, unit, names)


def _read(site: Site, table: str, contacts: Contacts) -> tuple[Any, ...]:
    """One table's ways of telling (as labels), and of each record its way, person, contact, days, minute and value."""
    rows = site.rows(table)
    rows = rows.filter(pc.is_finite(rows["value_as_number"]))
    codes, names = _labelled(rows, table)
    person, contact, day = _ints(rows["person"]), _ints(rows["contact"]), _ints(rows["day"])
    minute = np.maximum(minutes_of_day(rows[f"{table}_datetime"]), 0).astype(np.int32)
    moment = (_ints(rows["own_day"]) - day) * DAY + minute
    opening = _look_up(contacts, person, contact)
    moment = np.where(contact >= 0, np.maximum(moment - np.maximum(opening, 0), 0), minute)
    own_day = np.where(contact >= 0, day, _ints(rows["own_day"]))
    return names, codes, person, contact, own_day, moment, rows["value_as_number"].to_numpy().astype(np.float64)


def _labelled(rows: pa.Table, table: str) -> tuple[np.ndarray, list[str]]:
    """Number the ways in which records are told; a label names each."""
    source = pc.fill_null(rows[f"{table}_source_value"].cast(pa.string()), "")
    source = pc.if_else(pc.less_equal(pc.utf8_length(source), _LONGEST_CODE), source, "")
    unit_text = pc.fill_null(rows["unit_source_value"].cast(pa.string()), "")
    numbers = ["concept_id", "unit_concept_id", f"{table}_source_concept_id"]
    parts = [pc.fill_null(rows[name], 0).cast(pa.string()) for name in numbers]
    coded = pc.binary_join_element_wise(*parts, unit_text, source, "\x1f").combine_chunks().dictionary_encode()
    names = []
    for key in coded.dictionary.to_pylist():
        *concepts, unit_code, code = key.split("\x1f", 4)
        told = dict(zip(("concept", "unit", "source_concept"), map(int, concepts), strict=True))
        told |= {"table": TABLE_NUMBERS[table], "unit_code": unit_code, "code": code}
        names.append(json.dumps(told, sort_keys=True))
    return coded.indices.to_numpy(), names


def _look_up(contacts: Contacts, person: Int32s, contact: Int32s) -> Int32s:
    """The minute at which each record's visit starts."""
    if not len(contacts.person):
        return np.full(len(person), -1, np.int32)
    key = contacts.person.astype(np.int64) << 32 | contacts.contact
    order = np.argsort(key)
    at = np.searchsorted(key[order], person.astype(np.int64) << 32 | np.maximum(contact, 0))
    return contacts.minute[order[np.minimum(at, len(order) - 1)]]


def intensive(numbers: Numbers, contacts: Contacts) -> np.ndarray:
    """Whether each visit has many values: at six moments or more, whatever is measured at each."""
    own = numbers.contact >= 0
    visit = _of_visit(numbers.person[own], numbers.contact[own])
    moment = numbers.day[own].astype(np.int64) * DAY + numbers.minute[own]
    order = np.lexsort((moment, visit))
    starts, _ = _runs(visit[order], moment[order])
    several, n = np.unique(visit[order][starts], return_counts=True)
    return np.isin(_of_visit(contacts.person, contacts.contact), several[n >= _INTENSIVE])


def _of_visit(person: Int32s, contact: Int32s) -> Int64s:
    return np.asarray(person.astype(np.int64) << 32 | np.maximum(contact, 0))


def stays_of(site: Site, contacts: Contacts, numbers: Numbers) -> tuple[Stays, Records]:
    """Choose one stay with many values of each person, by its content, and return it with its records."""
    several = np.flatnonzero(intensive(numbers, contacts))
    length = (contacts.end - contacts.start).astype(np.int64)[several]
    chance = chances(length, contacts.start[several], contacts.concept[several])
    order = several[np.lexsort((contacts.contact[several], chance, contacts.person[several]))]
    own = order[np.unique(contacts.person[order], return_index=True)[1]]
    person, start, end = contacts.person[own], contacts.start[own], contacts.end[own]
    death = site.people.death[person]
    stays = Stays(
        care=contacts.care[own],
        died=((death >= start) & (death <= end)).astype(np.int64),
        sex=site.people.sex[person],
        age=(start // 365.25).astype(np.int64),
        length=(end - start).astype(np.int64) * DAY,
    )
    key = numbers.person.astype(np.int64) << 32 | np.maximum(numbers.contact, 0)
    wanted = person.astype(np.int64) << 32 | contacts.contact[own]
    at = np.minimum(np.searchsorted(wanted, key), max(len(wanted) - 1, 0))
    kept = np.flatnonzero((wanted[at] == key) & (numbers.contact >= 0)) if len(wanted) else np.zeros(0, np.int64)
    stay, series = at[kept].astype(np.int32), numbers.of_series[kept]
    minute, value = numbers.minute[kept], numbers.value[kept]
    order = np.lexsort((value, minute, series, stay))
    return stays, Records(numbers.series.hashes, stay[order], series[order], minute[order], value[order])


@dataclass(frozen=True)
class Histories:
    """The values of one series of one person, whenever: records ``starts`` to ``ends`` in the ``order`` of time.

    ``chance`` is a number that the history's content decides.
    """

    order: Int64s
    person: Int64s
    series: Int64s
    starts: Int64s
    ends: Int64s
    chance: np.ndarray

    def picked(self, salt: int, less: int = 0) -> Int64s:
        """Choose one of each history's records, the last ``less`` excepted: its place after the start."""
        return picks(self.chance, salt, np.maximum(self.ends - self.starts - less, 1))


def histories(numbers: Numbers) -> Histories:
    """Find the histories of all persons and series."""
    order = np.lexsort((numbers.value, numbers.minute, numbers.day, numbers.of_series, numbers.person))
    person, series = numbers.person[order].astype(np.int64), numbers.of_series[order].astype(np.int64)
    starts, ends = _runs(person, series)
    days = numbers.day[order]
    chance = chances(ends - starts, days[starts], days[ends - 1], value_bins(numbers.value[order][starts]))
    return Histories(order, person[starts], series[starts], starts, ends, chance)


def chances(*columns: np.ndarray) -> np.ndarray:
    """A random number for each row that its content decides."""
    state = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        _mix(state, np.asarray(column, np.int64).astype(np.uint64))
    return state


def thousandths(value: Doubles) -> Int64s:
    """Whole thousandths of values, for ``chances``; those beyond 4.5e15 count as that."""
    return (np.clip(value, -(2.0**52), 2.0**52) * 1000).astype(np.int64)


@njit(cache=True, nogil=True)
def _mix(state, words):
    for i in range(state.size):
        state[i] = mixed(state[i] ^ words[i])


def _runs(*columns: np.ndarray) -> tuple[Int64s, Int64s]:
    begins = np.zeros(len(columns[0]), bool)
    begins[:1] = True
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    start = np.flatnonzero(begins)
    return start, np.append(start[1:], len(begins))[: len(start)]


def _ints(column: pa.ChunkedArray) -> Int32s:
    return column.to_numpy().astype(np.int32)
