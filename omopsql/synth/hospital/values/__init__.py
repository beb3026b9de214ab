"""The layer of values: numbers of measurements and observations.

Where a visit holds many values of one kind (intensive care), this layer makes their times too; elsewhere it gives each
event of the layer of events its value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from omopsql.udfs import trajectory

from ..lives import Events, Int32s, Int64s, People, Values, Visits, offsets_of, owners
from ..plan import PERSONS, Plan
from ..reading import Site
from ..release import DROP, KEEP, POOL, Rule
from ..sums import Sums
from . import first_round, paths, scores, sparse
from .compile import StayModel, draw
from .compile import compiled as compiled_stays
from .grid import spread_bins
from .source import DAY, TOLD, Contacts, Numbers, chances, intensive, read_contacts, read_numbers, stays_of
from .stays import Stays
from .structure import Structure

_HOME = 0.8  # share of an item's persons who have it in a stay with many values
_LENGTHS = np.array([1, 2, 3, 4, 6, 9, 14, 22, 36], np.int64)  # days at which bands of stays begin
_POOLED = (
    "age",
    "length",
    "count",
    "mean",
    "trend",
    "spread",
    "value",
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
)
_SUMMED = ("products", "records", "lags", "moves", "again", "beside")  # over cells that the margins show to be large
RULES: dict[str, Rule] = {
    **{f"values.{name}": POOL for name in _POOLED},
    **{f"values.{name}": DROP for name in _DROPPED},
    **{f"values.{name}": KEEP for name in _SUMMED},
}


@dataclass(frozen=True)
class SeriesValues(Values):
    """Values, each with its ``series``: a place in ``ValuesModel.hashes``. ``care`` is the kind of each visit's care.

    ``care`` (a hash, 0 without) stands in the order of the visits.
    """

    series: Int32s = field(default_factory=lambda: np.zeros(0, np.int32))
    care: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class ValuesModel:
    """Stays with many values, values of events, and what each series is (``labels``, JSON) by its place."""

    stays: StayModel | None
    sparse: sparse.SparseModel
    hashes: Int64s
    labels: list[str]
    item: Int32s  # of each series
    care: dict[int, list[tuple[int, int, int]]]  # visit concept: (care, died, persons)
    first_detail: dict[int, str]  # the source's code of the first detail of a kind of care
    intensive: dict[int, float]  # visit concept: share of visits with many values
    reach: tuple[Int64s, Int64s]  # (band, low, high) and persons
    visit_concept: Int64s  # of each item

    @cached_property
    def told(self) -> dict[str, list[Any]]:
        """What each series says of its records, by the names that labels use; None where it says nothing."""
        labels = [json.loads(label) for label in self.labels]
        return {name: [label[name] or None for label in labels] for name in TOLD}


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
    _count_homes(contacts, numbers, sums)
    stays, records = stays_of(site, contacts, numbers)
    _count_care(contacts, stays, sums)
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
    chance = chances(numbers.day, numbers.minute, (numbers.value * 1000).astype(np.int64))
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


def _count_care(contacts: Contacts, stays: Stays, sums: Sums) -> None:
    """Count persons by the kind of care, with its label."""
    care, n = np.unique(stays.care, return_counts=True)
    labels = [contacts.labels[int(one)] for one in care]
    visit = np.array([json.loads(label)["visit"] for label in labels], np.int64)
    sums.put("values.care", np.column_stack([care, visit]).reshape(len(care), 2), n, pa.array(labels, pa.string()))


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
    keys, _ = margins.get("values.both", 4)
    return keys[(keys[:, 0] == keys[:, 1]) & (keys[:, 2] == 1) & (keys[:, 3] == 1), 0]


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
        paths.count_summaries(structure, stays, own, counted)
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
        labels=[str(label[series]) for series in hashes.tolist()],
        item=np.array([item[series] for series in hashes.tolist()], np.int32),
        care=_care(released),
        first_detail=_first_details(released),
        intensive=_intensive(released),
        reach=released.get("values.reach", 3),
        visit_concept=plan.items.concept,
    )


def _care(released: Sums) -> dict[int, list[tuple[int, int, int]]]:
    keys, _ = released.get("values.care", 2)
    visit = dict(keys.tolist())
    found: dict[int, list[tuple[int, int, int]]] = {}
    pairs, n = released.get("values.stays", 2)
    for (care, died), persons in zip(pairs.tolist(), n.tolist(), strict=True):
        if care in visit and died >= 0:
            found.setdefault(visit[care], []).append((care, died, persons))
    return found


def _first_details(released: Sums) -> dict[int, str]:
    keys, _ = released.get("values.care", 2)
    told = [json.loads(str(label))["detail"] for label in released.labels("values.care")]
    return {care: detail for care, detail in zip(keys[:, 0].tolist(), told, strict=True) if detail}


def _intensive(released: Sums) -> dict[int, float]:
    held: dict[int, list[int]] = {}
    keys, n = released.get("values.intensive", 2)
    for (concept, inside), persons in zip(keys.tolist(), n.tolist(), strict=True):
        held.setdefault(concept, [0, 0])[inside] = persons
    return {concept: inside / (outside + inside) for concept, (outside, inside) in held.items() if inside}


def generate(
    model: ValuesModel, people: People, events: Events, visits: Visits | None, seed: int, numbers: Int64s
) -> SeriesValues:
    """Give events their values, and make the records of stays with many values."""
    parts = [_of_events(model, events, seed, numbers)]
    care = np.zeros(0 if visits is None else len(visits), np.int64)
    if visits is not None and model.stays is not None:
        parts.append(_of_stays(model, model.stays, people, visits, seed, numbers, care))
    person, series, event, visit, minute, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort([minute, visit, event, person])
    item = model.item[series] if len(series) else np.zeros(0, np.int32)
    return SeriesValues(
        offsets=offsets_of(person[order], len(people)),
        item=item[order].astype(np.int32),
        event=event[order].astype(np.int32),
        visit=visit[order].astype(np.int32),
        minute=minute[order].astype(np.int32),
        value=value[order],
        series=series[order].astype(np.int32),
        care=care,
    )


def _of_events(model: ValuesModel, events: Events, seed: int, numbers: Int64s) -> tuple[np.ndarray, ...]:
    few = model.sparse
    series, value = np.full(len(events), -1, np.int32), np.full(len(events), np.nan)
    if len(few.hashes) and len(events):
        trajectory.fill_sparse(
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
    share = np.array([model.intensive.get(one, 0.0) for one in concept.tolist()])
    many = np.flatnonzero(u[:, 0] < share)
    for at in np.unique(concept[many]):
        for flag in (0, 1):
            own = many[(concept[many] == at) & (died[many] == flag)]
            kinds = [kind for kind in model.care.get(int(at), []) if kind[1] == flag]
            if kinds:
                upto = np.cumsum([persons for _, _, persons in kinds]) / sum(persons for _, _, persons in kinds)
                care[own] = np.array([kind[0] for kind in kinds])[np.searchsorted(upto[:-1], u[own, 1], "right")]
    start, end = visits.start[many], visits.end[many]
    length = np.maximum(end - start, 0).astype(np.int64) * DAY
    sex, age = people.sex[person[many]], (start // 365.25).astype(np.int64)
    found = Stays(care[many], died[many], sex, age, length)
    given = np.column_stack([age, spread_bins(length.astype(float)), sex]).astype(np.int64)
    strata = stays.structure.stratum_of(found) if len(many) else np.zeros(0, np.int64)
    reach = _reach(model, length, u[many, 2], people.death[person[many]], end)
    begins, series, minute, _, value = draw(
        stays, seed, numbers[person[many]], ordinal[many].astype(np.int64), strata, given, reach
    )
    stay = np.repeat(np.arange(len(many)), np.diff(begins))
    none = np.full(len(stay), -1)
    return person[many][stay], series, none, ordinal[many][stay], minute, value


def _reach(model: ValuesModel, length: Int64s, u: np.ndarray, death: Int32s, end: Int32s) -> Int64s:
    """How many minutes of each stay may hold values: as the source's reached, and not beyond its last day."""
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
            reach[own] = np.minimum((low + inside * (high - low + 1)).astype(np.int64) + 1, length[own] + DAY)
    return np.maximum(reach, 1)
