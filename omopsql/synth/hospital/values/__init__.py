"""The layer of values: numbers of measurements and observations.

Where a visit holds values at many moments (intensive care), this layer makes their times too; elsewhere it gives each
event of the layer of events its value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from omopsql.udfs import trajectory
from omopsql.udfs.sparse import fill_sparse

from ..lives import Doubles, Events, Int32s, Int64s, People, Values, Visits, offsets_of, owners
from ..plan import PERSONS, Plan
from ..reading import Site
from ..release import DROP, POOL, Rule, summed
from ..sums import Sums
from . import first_round, paths, scores, shifts, sparse, ways
from .care import Care, count_care
from .compile import StayModel, sketched
from .compile import compiled as compiled_stays
from .grid import spread_bins
from .source import DAY, Contacts, Numbers, chances, intensive, read_contacts, read_numbers, stays_of, thousandths
from .stays import Stays
from .structure import Structure

_HOME = 0.8  # share of an item's persons who have it in a stay with many values
_LENGTHS = np.array([1, 2, 3, 4, 6, 9, 14, 22, 36], np.int64)  # days at which bands of stays begin
_POOLED = (
    "age",
    "length",
    "count",
    "level",
    "mean",
    "change",
    "spread",
    "value",
    "lowest",
    "highest",
    "single",
    "reach",
    "scored_mean",
    "scored_trend",
    "scored_spread",
    "shape",
    "entry",
    "first",
    "gap",
    "along",
    "skip",
)
_DROPPED = (
    "series",
    "way",
    "way_first",
    "way_next",
    "care",
    "ever",
    "intensive",
    "home",
    "stays",
    "sex",
    "step",
    "both",
    "alike",
    "together",
    "decimals",
    "repeated",
    "same_day",
    "met",
    "opening",
    "turn",
    "inside",
    "scored",
    "placed",
    "banded",
    "held",
    "later",
    "varied",
)
_SUMMED = {  # sums of scores or records, and the statistic that counts the persons who contribute
    "products": "scored",
    "places": "placed",
    "bands": "banded",
    "records": "held",
    "lags": "later",
    "variance": "varied",
    "moves": "met",
    "again": "repeated",
    "beside": "same_day",
}
RULES: dict[str, Rule] = {
    **{f"values.{name}": POOL for name in _POOLED},
    **{f"values.{name}": DROP for name in _DROPPED},
    **{f"values.{name}": summed(f"values.{persons}") for name, persons in _SUMMED.items()},
}


@dataclass(frozen=True)
class SeriesValues(Values):
    """Values, each with its ``series``: a place in ``ValuesModel.labels``. ``care`` is the kind of each visit's care.

    ``care`` (a hash, 0 without) stands in the order of the visits.
    """

    series: Int32s = field(default_factory=lambda: np.zeros(0, np.int32))
    care: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class ValuesModel:
    """Stays with many values, values of events, and the ways in which those of each series are told."""

    stays: StayModel | None
    sparse: sparse.SparseModel
    hashes: Int64s  # of each series
    item: Int32s
    ways: ways.Ways
    care: Care
    reach: tuple[Int64s, Int64s]  # (band, low, high) and persons
    visit_concept: Int64s  # of each item

    @property
    def first_detail(self) -> dict[int, str]:
        """The source's code of the first detail of a kind of care."""
        return self.care.first_detail

    @property
    def labels(self) -> list[str]:
        """What each way of telling a value says of it (JSON)."""
        return self.ways.labels

    @property
    def told(self) -> dict[str, list[Any]]:
        """The same by the names that labels use; None where nothing is said."""
        return self.ways.told


_read: dict[int, tuple[Site, Contacts, Numbers]] = {}


def _numbers(site: Site) -> tuple[Contacts, Numbers]:
    """The numbers of a site; those of the last one are kept for the second round."""
    if id(site) not in _read or _read[id(site)][0] is not site:
        contacts = read_contacts(site)
        _read.clear()
        _read[id(site)] = (site, contacts, read_numbers(site, contacts))
    return _read[id(site)][1:]


def margins(site: Site) -> Sums:
    """Count the first round: series, their values, and stays with many of them."""
    contacts, numbers = _numbers(site)
    sums = Sums()
    sparse.count_margins(numbers, sums)
    ways.count_ways(numbers, sums)
    _count_homes(contacts, numbers, sums)
    stays, records = stays_of(site, contacts, numbers)
    count_care(contacts, stays, sums)
    if len(stays):
        first_round.count_stays(stays, sums)
        first_round.count_runs(stays, records, sums)
        first_round.count_values(records, sums)
        first_round.count_company(stays, records, sums)
        last = np.zeros(len(stays), np.int64)
        np.maximum.at(last, records.stay, records.minute)
        sums.put("values.reach", np.column_stack([_length_band(stays.length), last]), np.ones(len(stays)))
    return sums


def _length_band(minutes: Int64s) -> Int64s:
    return np.searchsorted(_LENGTHS, minutes // DAY, "right")


def _count_homes(contacts: Contacts, numbers: Numbers, sums: Sums) -> None:
    """Count persons with an item by whether one of its records lies in a stay with many values."""
    key = contacts.person.astype(np.int64) << 32 | contacts.contact
    many = key[intensive(numbers, contacts)]
    inside = np.isin(numbers.person.astype(np.int64) << 32 | np.maximum(numbers.contact, 0), many) & (
        numbers.contact >= 0
    )
    concept, table = numbers.series.concept[numbers.of_series], numbers.series.table[numbers.of_series]
    chance = chances(numbers.day, numbers.minute, thousandths(numbers.value))
    order = np.lexsort([chance, concept, table, numbers.person])
    rows = np.column_stack([numbers.person, table, concept])[order]
    begins = np.ones(len(rows), bool)
    begins[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    own = order[begins]
    sums.put("values.home", np.column_stack([table[own], concept[own], inside[own]]), np.ones(len(own)))
    chance = chances(contacts.start, contacts.end, contacts.concept)
    order = np.lexsort([chance, contacts.concept, contacts.person])
    rows = np.column_stack([contacts.person, contacts.concept])[order]
    begins = np.ones(len(rows), bool)
    begins[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    own = order[begins]
    told = np.isin(key[own], many)
    sums.put("values.intensive", np.column_stack([contacts.concept[own], told]), np.ones(len(own)))


def dense_items(margins: Sums) -> set[tuple[int, int]]:
    """The items (table number, concept) that live in stays with many values: this layer makes their times.

    Of most persons with such an item, the record that stands for the others is a number in such a stay.
    """
    keys, n = margins.get("values.series", 4)
    made = {(table, concept) for _, table, concept, _ in keys[np.isin(keys[:, 0], _in_stays(margins))].tolist()}
    keys, n = margins.get(PERSONS, 2)
    persons = dict(zip(map(tuple, keys.tolist()), n.tolist(), strict=True))
    keys, n = margins.get("values.home", 3)
    inside = {(table, concept): n for (table, concept, at), n in zip(keys.tolist(), n.tolist(), strict=True) if at}
    return {item for item in made & inside.keys() if inside[item] >= _HOME * persons.get(item, inside[item])}


def _in_stays(margins: Sums) -> Int64s:
    """The series that a stay with many values has."""
    keys, _ = margins.get("values.both", 2)
    return keys[keys[:, 0] == keys[:, 1], 0]


def _dense_series(plan: Plan) -> Int64s:
    """The series whose items the plan calls dense."""
    keys, _ = plan.margins.get("values.series", 4)
    item = plan.items.find(keys[:, 1], keys[:, 2])
    return keys[np.isin(item, list(plan.dense)), 0]


def sums(site: Site, plan: Plan) -> Sums:
    """Count the second round: how what describes a stay goes together, and what happens inside it."""
    contacts, numbers = _numbers(site)
    counted = Sums()
    hashes = _dense_series(plan)
    structure = Structure.of(plan.margins, hashes)
    sparse.count_sums(plan, set(structure.hashes.tolist()), numbers, counted)
    stays, records = stays_of(site, contacts, numbers)
    if len(stays) and len(structure.hashes):
        own = structure.own(records)
        scores.count_products(structure, stays, own, counted)
        paths.count_records(structure, own, counted)
        paths.count_moves(structure, own, counted)
        shifts.count_shifts(structure, stays, own, counted)
        paths.count_summaries(structure, own, counted)
        paths.count_times(structure, own, counted)
        paths.count_children(structure, len(stays), own, counted)
    return counted


def compiled(released: Sums, plan: Plan) -> ValuesModel:
    """Compile the released sums of both rounds."""
    structure = Structure.of(released, _dense_series(plan))
    own = set(structure.hashes.tolist())
    few = sparse.compiled(released, plan, own)
    keys, _ = released.get("values.series", 4)
    label = dict(zip(keys[:, 0].tolist(), released.labels("values.series"), strict=True))
    item = dict(zip(keys[:, 0].tolist(), plan.items.find(keys[:, 1], keys[:, 2]).tolist(), strict=True))
    hashes = np.concatenate([structure.hashes, few.hashes])
    return ValuesModel(
        stays=compiled_stays(structure, released) if len(structure.hashes) else None,
        sparse=few,
        hashes=hashes,
        item=np.array([item[series] for series in hashes.tolist()], np.int32),
        ways=ways.Ways.released(released, hashes, [str(label[series]) for series in hashes.tolist()]),
        care=Care.released(structure, released),
        reach=released.get("values.reach", 3),
        visit_concept=plan.items.concept,
    )


def generate(
    model: ValuesModel, people: People, events: Events, visits: Visits | None, seed: int, numbers: Int64s
) -> SeriesValues:
    """Give events their values, and make the records of stays with many values."""
    parts = [_of_events(model, events, seed, numbers)]
    care = np.zeros(0 if visits is None else len(visits), np.int64)
    if visits is not None and model.stays is not None:
        parts.append(_of_stays(model, model.stays, people, visits, seed, numbers, care))
    person, series, event, visit, minute, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort([minute, visit, event, series, person])
    person, series, event, visit, minute, value = (
        column[order] for column in (person, series, event, visit, minute, value)
    )
    way = model.ways.drawn(seed, numbers, person, series)
    at, place = _at_once(np.where(event >= 0, 1, model.ways.sizes[way]))
    told, label = _neighbours(value, person, series, at, place), model.ways.label(way[at], place)
    order = np.lexsort([place, minute[at], visit[at], event[at], person[at]])
    at = at[order]
    return SeriesValues(
        offsets=offsets_of(person[at], len(people)),
        item=model.item[series[at]] if len(at) else np.zeros(0, np.int32),
        event=event[at].astype(np.int32),
        visit=visit[at].astype(np.int32),
        minute=minute[at].astype(np.int32),
        value=told[order],
        series=label[order],
        care=care,
    )


def _at_once(records: Int64s) -> tuple[Int64s, Int64s]:
    """Which value each record is of, and which of its records it is."""
    of = np.repeat(np.arange(len(records)), records)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(records) - records, records)


def _neighbours(value: Doubles, person: Int64s, series: Int64s, of: Int64s, place: Int64s) -> Doubles:
    """What each record says: its value or, if it is not the first of its moment, that of the moment before or after."""
    near = of.copy()
    for step in (1, -1):
        beside = np.clip(of - step, 0, max(len(value) - 1, 0))
        alike = (place > 0) & (near == of) & (person[beside] == person[of]) & (series[beside] == series[of])
        near[alike] = beside[alike]
    return value[near]


def _of_events(model: ValuesModel, events: Events, seed: int, numbers: Int64s) -> tuple[np.ndarray, ...]:
    few = model.sparse
    series, value = np.full(len(events), -1, np.int32), np.full(len(events), np.nan)
    if len(few.hashes) and len(events):
        fill_sparse(
            few.first,
            few.upto,
            few.outlets,
            few.share,
            few.factor,
            seed,
            numbers,
            events.offsets,
            events.item,
            events.day,
            series,
            value,
        )
    at = np.flatnonzero(series >= 0)
    person = owners(events.offsets)[at]
    none = np.full(len(at), -1)
    dense_series = len(model.hashes) - len(few.hashes)
    return person, series[at] + dense_series, at - events.offsets[person], none, none, value[at]


def _of_stays(
    model: ValuesModel, stays: StayModel, people: People, visits: Visits, seed: int, numbers: Int64s, care: Int64s
) -> tuple[np.ndarray, ...]:
    """Draw which visits have many values, and their records; fill in their kind of care."""
    person = owners(visits.offsets)
    ordinal = np.arange(len(visits)) - visits.offsets[person]
    concept = model.visit_concept[visits.item] if len(visits) else np.zeros(0, np.int64)
    u = np.empty((len(visits), 3))
    trajectory.fill_uniforms(seed, numbers[person], ordinal, u)
    death = people.death[person]
    died = ((death >= visits.start) & (death <= visits.end)).astype(np.int64)
    share = np.array([model.care.intensive.get(one, 0.0) for one in concept.tolist()])
    many = np.flatnonzero(u[:, 0] < share)
    start, end = visits.start[many], visits.end[many]
    length = np.maximum(end - start, 0).astype(np.int64) * DAY
    sex, age = people.sex[person[many]], (start // 365.25).astype(np.int64)
    found = Stays(care[many], died[many], sex, age, length)
    care[many] = model.care.drawn(concept[many], found, u[many, 1])
    found = replace(found, care=care[many])
    given = np.column_stack([age, spread_bins(length.astype(float)), sex]).astype(np.int64)
    strata = stays.structure.stratum_of(found) if len(many) else np.zeros(0, np.int64)
    opening = np.maximum(visits.start_minute[many], 0).astype(np.int64)
    reach = _reach(model, length, opening, u[many, 2])
    sketch = sketched(stays, seed, numbers[person[many]], ordinal[many].astype(np.int64), strata, given, reach)
    stay, none = sketch.stay, np.full(len(sketch.level), -1)
    value = sketch.values(seed, stays.ends, stays.outlets)
    return person[many][stay], sketch.series, none, ordinal[many][stay], sketch.minute, value


def _reach(model: ValuesModel, length: Int64s, opening: Int64s, u: np.ndarray) -> Int64s:
    """How many minutes of each stay may hold values: as the source's reached, and not beyond its last day.

    A stay begins at the minute ``opening`` of its first day, and lasts to the last minute of a day.
    """
    keys, n = model.reach
    reach = np.maximum(length, DAY)
    for band in np.unique(_length_band(length)):
        rows = np.flatnonzero(keys[:, 0] == band)
        rows = rows if len(rows) else np.arange(len(keys))
        own = np.flatnonzero(_length_band(length) == band)
        if len(rows):
            upto = np.append(0.0, np.cumsum(n[rows]) / n[rows].sum())
            at = np.minimum(np.searchsorted(upto, u[own], "right") - 1, len(rows) - 1)
            inside = (u[own] - upto[at]) / (upto[at + 1] - upto[at])
            low, high = keys[rows[at], 1], keys[rows[at], 2]
            reach[own] = (low + inside * (high - low + 1)).astype(np.int64) + 1
    return np.clip(reach, 1, length + DAY - opening)
