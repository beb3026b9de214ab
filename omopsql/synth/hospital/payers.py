"""The layer of payer plan periods: who pays for a person, in which plan, from when to when.

A kind is what is told of a period's payer, plan and sponsor; a kind of too few persons counts as its payer alone, or
as unknown. Periods follow each other: the first begins around the first day of observation; each ends before, on or
after the last one; then another follows after a gap or none, of the same kind or, depending on age, of another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .attributes import states_of
from .choices import Choices, counted_places, put_rates, put_shares, rates, uniforms_of
from .counting import Ints, counted, hashed_records, put_persons, representing
from .histograms import Histograms, Ladder, band_of
from .lives import Int64s, Lives, People, offsets_of
from .plan import Plan
from .reading import Site
from .release import DROP, POOL, Rule
from .subjects import LONGEST
from .sums import Sums, group_starts

TABLE = "payer_plan_period"
ANY, KIND, LENGTH, REASON, AFTER_DEATH = (
    f"payers.{name}" for name in ("any", "kind", "length", "reason", "after_death")
)
_HAS = {"payers.has.class": (0, 1), "payers.has.age": (0,), "payers.has": ()}
_BEGINS = {"payers.begins.class": (0, 1), "payers.begins.span": (1,), "payers.begins": ()}
_FIRST = {"payers.first": (0,)}
_HELD = {"payers.held.age": (0,), "payers.held": ()}
_ENDS = {"payers.ends.left": (0,), "payers.ends": ()}
_STOPS = {"payers.stops.kind": (0, 1), "payers.stops.left": (1,), "payers.stops": ()}
_GAP = {"payers.gap.kind": (0,), "payers.gap": ()}
_STAYS = {"payers.stays.kind": (0, 1, 2), "payers.stays.age": (1, 2), "payers.stays.gap": (2,), "payers.stays": ()}
_NEXT = {"payers.next.kind": (0, 1), "payers.next.age": (1,)}
_BEYOND = {"payers.beyond": (0,)}
_LASTS = {"payers.lasts.kind": (0,), "payers.lasts": ()}
_BEGIN_DAYS = {"payers.begin_days.span": (0, 1), "payers.begin_days": (0,)}
_GAP_DAYS = {"payers.gap_days": (0,)}
_LENGTHS = {"payers.days.kind": (0,), "payers.days": ()}

RULES: dict[str, Rule] = {
    ANY: DROP,  # have a period
    KIND: DROP,  # all (0) or the payer alone (1), the number of a kind, and what it is
    LENGTH: DROP,  # days that a period lasts
    REASON: DROP,  # a period is the last one, the number of a reason, and why it ends
    AFTER_DEATH: DROP,  # have a period that ends after death
    # of the second round
    **dict.fromkeys((*_HAS, *_BEGINS, *_FIRST, *_HELD, *_NEXT, *_BEYOND), DROP),
    **rates(*_ENDS, *_STOPS, *_GAP, *_STAYS, *_LASTS),
    **dict.fromkeys((*_BEGIN_DAYS, *_GAP_DAYS, *_LENGTHS), POOL),
}
ROUNDED = [*_BEGIN_DAYS, *_GAP_DAYS, *_LENGTHS]

UNKNOWN = 0  # the number of a kind of which nothing is told
UNCOVERED = -2  # in the place of a kind: no period
_STREAM = 101  # of random numbers; subjects of attributes have the smaller ones
_BEFORE, _ON, _AFTER = 0, 1, 2  # the first day of observation, or the last
_OVERLAPS, _SAME_DAY, _NEXT_DAY, _LATER = 0, 1, 2, 3  # when a period begins, by the end of the one before
_YEAR = 365.25
_AGES = np.floor(np.array([18, 26, 65]) * _YEAR).astype(np.int64)
_SPANS = np.floor(np.array([1, 2, 5, 10, 20]) * _YEAR).astype(np.int64)
_LEFT = np.array([-365, -30, 0, 1, 2, 31, 92, 184, 360, 373, 735, 1830], np.int64)  # days until observation ends
_PERSONS_A_RUNG = 3
_MOST = 240  # periods
_REASONS, _CHANGES = 1_000, 2_000  # places in a stream: of the reasons of periods, and of the kinds that follow
_FARTHEST = 1 << 20  # days
_ATTEMPTS = 6
_PARTS = ("payer", "plan", "sponsor")
_TOLD = ("concept_id", "source_value", "source_concept_id")
_FIELDS = {part: tuple(f"{part}_{told}" for told in _TOLD) for part in (*_PARTS, "stop_reason")}


# Counting


@dataclass(frozen=True)
class Told:
    """What is told of records by some of their fields: for each record a number that names it, and what it is."""

    numbers: Int64s
    labels: Mapping[int, str]

    @classmethod
    def of(cls, rows: pa.Table, names: tuple[str, ...]) -> Told:
        """Read columns of codes. Empty and long texts are none."""
        columns = [rows[name].combine_chunks().dictionary_encode() for name in names if name in rows.column_names]
        columns = [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in columns]
        codes = [column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) for column in columns]
        if not len(rows):
            return cls(np.zeros(0, np.int64), {})
        cells, place = counted_places(*codes)
        values = [[*map(_code, column.dictionary.to_pylist()), None] for column in columns]
        told = [
            {name: of[code] for name, of, code in zip(names, values, cell, strict=True) if of[code] is not None}
            for cell in cells
        ]
        labels = [json.dumps(one, sort_keys=True, ensure_ascii=False, separators=(",", ":")) for one in told]
        numbers = np.array([number_of(label) for label in labels], np.int64)
        return cls(numbers[place], dict(zip(numbers.tolist(), labels, strict=True)))

    def text(self, numbers: Int64s) -> pa.Array:
        """What numbers name."""
        return pa.array([self.labels[number] for number in numbers.tolist()], pa.string())


def _code(value: Any) -> Any:
    return None if isinstance(value, str) and not 0 < len(value.strip()) <= LONGEST else value


def number_of(label: str) -> int:
    """A number from 1 that a label alone decides on."""
    return (int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "big") >> 2) + 1


@dataclass(frozen=True)
class Covers:
    """The payer plan periods of real people, by person and start: first and last day from birth, and their kinds."""

    people: People
    person: Int64s
    start: Int64s
    end: Int64s
    key: Int64s
    kind: Told
    payer: Told
    reason: Told

    def known(self, margins: Sums) -> Int64s:
        """The number of each period's kind as far as it is released."""
        keys, _ = margins.get(KIND, 2)
        found = np.full(len(self.person), UNKNOWN, np.int64)
        for level, told in ((1, self.payer), (0, self.kind)):
            is_known = np.isin(told.numbers, keys[keys[:, 0] == level, 1])
            found[is_known] = told.numbers[is_known]
        return found

    @property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """A hash of what each period says."""
        return hashed_records(self.people, self.person, self.start, self.end, self.kind.numbers)


def read(site: Site) -> Covers:
    """Read the payer plan periods of a site; none where it has no such table. One without an end lasts to the last day
    of observation.
    """
    people = site.people
    rows = site.rows(TABLE)
    person = rows["person"].to_numpy().astype(np.int64)
    start = rows["own_day"].to_numpy().astype(np.int64)
    ends = rows["payer_plan_period_end_date"].cast(pa.int32()).to_numpy().astype(np.float64) - people.birth[person]
    end = np.maximum(np.where(np.isnan(ends), people.end[person], ends).astype(np.int64), start)
    kind = Told.of(rows, tuple(name for part in _PARTS for name in _FIELDS[part]))
    payer, reason = Told.of(rows, _FIELDS["payer"]), Told.of(rows, _FIELDS["stop_reason"])
    order = np.lexsort((reason.numbers, kind.numbers, end, start, person))
    kind, payer, reason = (Told(told.numbers[order], told.labels) for told in (kind, payer, reason))
    key = rows["payer_plan_period_id"].combine_chunks().fill_null(-1).to_numpy().astype(np.int64)
    return Covers(people, person[order], start[order], end[order], key[order], kind, payer, reason)


def margins(site: Site) -> Sums:
    """Count the persons by kinds and lengths of their periods. The first round."""
    found = Sums()
    if not site.has(TABLE):
        return found
    covers = read(site)
    put_persons(found, ANY, covers.person, np.ones(len(covers.person), np.int64))
    for level, told in enumerate((covers.kind, covers.payer)):
        _put_told(found, KIND, covers.person, np.full(len(covers.person), level), told)
    put_persons(found, LENGTH, covers.person, covers.end - covers.start)
    if set(covers.reason.labels.values()) != {"{}"}:
        _put_told(found, REASON, covers.person, _is_last(covers.person).astype(np.int64), covers.reason)
    died = covers.people.death[covers.person]
    late = (died >= 0) & (covers.end > died)
    put_persons(found, AFTER_DEATH, covers.person[late], np.ones(int(late.sum()), np.int64))
    return found


def _put_told(sums: Sums, statistic: str, person: Int64s, group: Int64s, told: Told) -> None:
    rows, _ = counted(person, group, told.numbers)
    keys, n = counted(*rows[:, 1:].T)
    sums.put(statistic, keys, n, told.text(keys[:, 1]))


def _is_last(person: Int64s) -> npt.NDArray[np.bool_]:
    return np.append(person[1:] != person[:-1], True)[: len(person)]


def sums(site: Site, plan: Plan) -> Sums:
    """Count how periods begin, last, end and follow each other, if enough persons have any. The second round."""
    found = Sums()
    if not len(plan.margins.get(ANY, 1)[1]):
        return found
    covers, people = read(site), site.people
    kind, hashes = covers.known(plan.margins), covers.hashes
    first = group_starts([covers.person], len(covers.person))
    _count_beginnings(found, covers, people, kind, hashes, first)
    _count_lengths(found, covers, kind, hashes, plan.margins)
    _count_steps(found, covers, kind, hashes)
    return found


def _count_beginnings(
    found: Sums, covers: Covers, people: People, kind: Int64s, hashes: npt.NDArray[np.uint64], first: Int64s
) -> None:
    """Who has periods, and when and by which kind the first one begins."""
    everybody = np.arange(len(people))
    cell = _class_of(people)
    has = np.isin(everybody, covers.person).astype(np.int64)
    alike = np.zeros(len(people), np.uint64)
    put_shares(found, _HAS, everybody, alike, cell, has)
    person, start = covers.person[first], covers.start[first]
    own, last = people.start[person].astype(np.int64), people.end[person].astype(np.int64)
    begins = np.sign(start - own) + 1
    put_shares(found, _BEGINS, person, hashes[first], cell[person], begins)
    put_shares(found, _FIRST, person, hashes[first], band_of(start, _AGES)[:, None], kind[first])
    put_shares(found, _HELD, covers.person, hashes, band_of(covers.start, _AGES)[:, None], kind)
    days = np.where(begins == _BEFORE, own - start, last - start)
    away = begins != _ON
    _put_days(found, _BEGIN_DAYS, person[away], np.column_stack([begins, cell[person, 1]])[away], days[away])


def _count_lengths(found: Sums, covers: Covers, kind: Int64s, hashes: npt.NDArray[np.uint64], margins: Sums) -> None:
    """How long periods last that do not end with observation, and which do."""
    left = covers.people.end[covers.person].astype(np.int64) - covers.start
    length = covers.end - covers.start
    put_rates(found, _ENDS, covers.person, band_of(left, _LEFT)[:, None], np.sign(length - left) + 1)
    whole = length != left
    frequent = margins.get(LENGTH, 1)[0][:, 0]
    is_frequent = np.isin(length, frequent)
    put_rates(found, _LASTS, covers.person[whole], kind[whole, None], np.where(is_frequent, length, ALL_OTHERS)[whole])
    other = np.flatnonzero(whole & ~is_frequent)
    for name, columns in _LENGTHS.items():
        own = [kind[other]] * len(columns)
        rows = representing(covers.person[other], hashes[other], *own)
        found.put(name, *counted(*(column[rows] for column in own), length[other][rows]))


ALL_OTHERS = -1  # in the place of a length: one that is not frequent


def _count_steps(found: Sums, covers: Covers, kind: Int64s, hashes: npt.NDArray[np.uint64]) -> None:
    """Which period is the last one, and what follows after the others."""
    person, is_last = covers.person, _is_last(covers.person)
    left = covers.people.end[person].astype(np.int64) - covers.end
    inside = left > 0
    cell = np.column_stack([kind, band_of(left, _LEFT)])
    put_rates(found, _STOPS, person[inside], cell[inside], is_last[inside].astype(np.int64))
    crossing, further = _crossing(person, left)
    on = (left[crossing] == 0).astype(np.int64)
    put_shares(found, _BEYOND, person[crossing], hashes[crossing], on[:, None], np.minimum(further, _MOST))
    one = np.flatnonzero(~is_last)
    other = one + 1
    gap = covers.start[other] - covers.end[one]
    of_gap = _gap_class(gap)
    put_rates(found, _GAP, person[one], kind[one, None], of_gap)
    told = np.isin(of_gap, (_OVERLAPS, _LATER))
    rows = representing(person[one][told], hashes[one][told], of_gap[told])
    found.put("payers.gap_days", *counted(of_gap[told][rows], np.abs(gap[told][rows])))
    cell = np.column_stack([kind[one], _turn(covers.start[one], covers.start[other]), of_gap == _LATER])
    stays = kind[one] == kind[other]
    put_rates(found, _STAYS, person[one], cell, stays.astype(np.int64))
    put_shares(found, _NEXT, person[one][~stays], hashes[one][~stays], cell[~stays], kind[other][~stays])


def _crossing(person: Int64s, left: Int64s) -> tuple[Int64s, Int64s]:
    """The first period of each person that reaches the last day of observation, and how many follow after it."""
    beyond = np.flatnonzero(left <= 0)
    first = beyond[group_starts([person[beyond]], len(beyond))]
    return first, np.searchsorted(person, person[first], side="right") - first - 1


def _put_days(sums: Sums, rungs: Mapping[str, tuple[int, ...]], person: Int64s, cell: Int64s, days: Int64s) -> None:
    for name, columns in rungs.items():
        sums.put(name, *counted(*(cell[:, column] for column in columns), days))


def _class_of(people: People) -> Int64s:
    """Bands of the age when observation begins, and of how long it is."""
    return np.column_stack([band_of(people.start, _AGES), band_of(people.end - people.start, _SPANS)])


def _gap_class(gap: Int64s) -> Int64s:
    return np.clip(gap, -1, 2) + 1


def _turn(before: Int64s, after: Int64s) -> Int64s:
    """The band of age of the later of two days, and whether the earlier one is in another."""
    band = band_of(after, _AGES)
    return 2 * band + (band_of(before, _AGES) != band)


# Drawing


@dataclass(frozen=True)
class PayerModel:
    """What periods are drawn from. ``kinds`` tells the fields of each kind, by its number; ``is_made`` if any are."""

    is_made: bool
    kinds: dict[int, dict[str, Any]]
    has: Choices
    begins: Choices
    begin_days: Ladder
    first: Choices
    ends: Choices
    lengths: Ladder
    stops: Choices
    beyond: Choices
    gap: Choices
    gap_days: Ladder
    stays: Choices
    next: Choices
    reasons: tuple[Reasons, Reasons]
    after_death: bool
    is_late: bool  # some periods begin after observation


@dataclass(frozen=True)
class Reasons:
    """Why periods end, with cumulative shares."""

    told: tuple[dict[str, Any], ...]
    cumulative: Ints

    def draw(self, u: npt.NDArray[np.float64]) -> Int64s:
        """The place of a reason for each uniform number; -1 where none is known."""
        if not len(self.told):
            return np.full(len(u), -1, np.int64)
        return np.searchsorted(self.cumulative, u * self.cumulative[-1], side="right").astype(np.int64)


def compiled(released: Sums, plan: Plan) -> PayerModel:
    """Arrange what was released for drawing. A model without these statistics makes no periods."""
    least = _PERSONS_A_RUNG * plan.min_cell
    keys, _ = released.get(KIND, 2)
    labels = zip(keys[:, 1].tolist(), released.labels(KIND), strict=True)
    held = Choices.shares(released, _HELD)
    return PayerModel(
        is_made=bool(len(released.get(ANY, 1)[1])) and "payers.has" in released,
        kinds={number: json.loads(str(label)) for number, label in labels},
        has=Choices.shares(released, _HAS),
        begins=Choices.shares(released, _BEGINS),
        begin_days=_days(released, _BEGIN_DAYS, least),
        first=Choices.shares(released, _FIRST).before(held, ((0,), ())),
        ends=Choices.rates(released, _ENDS, 1),
        lengths=_lengths(released, least),
        stops=Choices.chances(released, _STOPS, plan.min_cell),
        beyond=Choices.shares(released, _BEYOND),
        gap=Choices.rates(released, _GAP, least),
        gap_days=_days(released, _GAP_DAYS, least),
        stays=Choices.chances(released, _STAYS, plan.min_cell),
        next=Choices.shares(released, _NEXT).before(held, ((3,), ())),
        reasons=(_reasons(released, 0), _reasons(released, 1)),
        after_death=bool(released.get(AFTER_DEATH, 1)[1].sum()),
        is_late=bool((released.get("payers.ends.left", 2)[0][:, 0] < band_of(np.zeros(1, np.int64), _LEFT)).any()),
    )


def _days(released: Sums, rungs: Mapping[str, tuple[int, ...]], least: int) -> Ladder:
    held = tuple(Histograms.of(released, name, len(columns)) for name, columns in rungs.items())
    return Ladder(held, tuple(rungs.values()), least)


def _reasons(released: Sums, is_last: int) -> Reasons:
    keys, n = released.get(REASON, 2)
    here = keys[:, 0] == is_last
    labels = [json.loads(str(label)) for label, own in zip(released.labels(REASON), here, strict=True) if own]
    return Reasons(tuple(labels), np.cumsum(n[here]))


def _lengths(released: Sums, least: int) -> Ladder:
    """Frequent lengths by their records, and the others by the persons whose periods last so long."""
    rungs = []
    for (lasts, columns), name in zip(_LASTS.items(), _LENGTHS, strict=True):
        keys, n = released.get(f"{lasts}.records", len(columns) + 1)
        spread, persons = released.get(name, len(columns) + 2)
        is_other = keys[:, -1] == ALL_OTHERS
        told = Sums()
        told.put("", np.column_stack([keys[~is_other], keys[~is_other, -1]]), n[~is_other])
        for cell, records in zip(keys[is_other, :-1].tolist(), n[is_other].tolist(), strict=True):
            own = (spread[:, : len(columns)] == cell).all(axis=1)
            of_cell = keys[~is_other][(keys[~is_other, :-1] == cell).all(axis=1), -1]
            blocks, weights = _between(spread[own, -2:], persons[own], of_cell)
            weights = np.maximum(np.round(weights * (records / max(weights.sum(), 1.0))), 1)
            told.put("", np.column_stack([np.tile(cell, (len(blocks), 1)), blocks]), weights.astype(np.int64))
        rungs.append(Histograms.of(told, "", len(columns)))
    return Ladder(tuple(rungs), tuple(_LASTS.values()), least)


def _between(blocks: Int64s, persons: Int64s, points: Int64s) -> tuple[Int64s, npt.NDArray[np.float64]]:
    """Blocks of days cut at single days that they must not hold, and the persons of each piece."""
    pieces, weights = [], []
    for (low, high), n in zip(blocks.tolist(), persons.tolist(), strict=True):
        inside = points[(points >= low) & (points <= high)].tolist()
        edges = zip([low, *(point + 1 for point in inside)], [*(point - 1 for point in inside), high], strict=True)
        own = [(first, last) for first, last in edges if first <= last]
        pieces += own
        weights += [n * (last - first + 1) / (high - low + 1) for first, last in own]
    return np.array(pieces, np.int64).reshape(-1, 2), np.array(weights, np.float64)


@dataclass(frozen=True)
class Plans:
    """The payer plan periods of synthetic people: of person p from ``offsets[p]`` to ``offsets[p + 1]``, by start."""

    offsets: Int64s
    person: Int64s
    start: Int64s
    end: Int64s
    kind: Int64s
    reason: Int64s  # its place among the reasons of periods that are, or are not, the last one; -1: none

    def covering(self, person: npt.NDArray[np.integer], day: npt.NDArray[np.integer]) -> Int64s:
        """The period that covers a day of a person, the latest to begin; -1 where none does."""
        return covering(self.person, self.start, self.end, person, day)


def covering(
    owner: Int64s, start: Int64s, end: Int64s, person: npt.NDArray[np.integer], day: npt.NDArray[np.integer]
) -> Int64s:
    """The place of the last period, sorted by owner and start, that covers each day of a person; -1: none does."""
    begins = owner * _FARTHEST * 2 + start + _FARTHEST // 2
    wanted = np.asarray(person, np.int64) * _FARTHEST * 2 + day + _FARTHEST // 2
    place = np.searchsorted(begins, wanted, side="right") - 1
    for _ in range(_ATTEMPTS):
        own = (place >= 0) & (owner[np.maximum(place, 0)] == person) if len(owner) else np.zeros(len(place), np.bool_)
        over = own & (end[np.maximum(place, 0)] < day) if len(owner) else own
        place = np.where(over, place - 1, place)
    if not len(owner):
        return np.full(len(place), -1, np.int64)
    at = np.maximum(place, 0)
    fits = (place >= 0) & (owner[at] == person) & (start[at] <= day) & (end[at] >= day)
    return np.where(fits, place, -1)


def plans_of(model: PayerModel, lives: Lives) -> Plans:
    """Make the payer plan periods of lives: a function of the model and of each life alone."""
    if not model.is_made:
        nothing = np.zeros(0, np.int64)
        return Plans(np.zeros(len(lives) + 1, np.int64), nothing, nothing, nothing, nothing, nothing)
    making = _Making(model, lives)
    rows = making.run()
    person = np.concatenate([row[0] for row in rows])
    order = np.argsort(person, kind="stable")
    person, start, end, kind = (np.concatenate([row[k] for row in rows])[order] for k in range(4))
    is_last = _is_last(person)
    u = making.uniforms(person, _REASONS + np.arange(len(person)) - np.searchsorted(person, person), 1)[:, 0]
    reason = np.where(is_last, model.reasons[1].draw(u), model.reasons[0].draw(u))
    return Plans(offsets_of(person, len(lives)), person, start, end, kind, reason)


_Row = tuple[Int64s, Int64s, Int64s, Int64s]


class _Making:
    """One period after the other, of all people at once."""

    def __init__(self, model: PayerModel, lives: Lives) -> None:
        self.model, self.people = model, lives.people
        self.states = states_of(lives, _STREAM)
        people = self.people
        self.opens, self.closes = people.start.astype(np.int64), people.end.astype(np.int64)
        death = people.death.astype(np.int64)
        self.limit = np.where((death < 0) | model.after_death, _FARTHEST, death)
        self.latest = self.limit if model.is_late else np.minimum(self.limit, self.closes)

    def uniforms(self, person: Int64s, places: Int64s, width: int) -> npt.NDArray[np.float64]:
        return uniforms_of(self.states, person, places, width)

    def run(self) -> list[_Row]:
        """The periods: person, start, end and kind of each, by their place in the person."""
        person, start, kind = self._first()
        further = np.full(len(self.people), -1, np.int64)  # periods after observation; -1: none has reached its end
        rows: list[_Row] = []
        for step in range(1, _MOST + 1):
            alive = start <= self.latest[person]
            person, start, kind = person[alive], start[alive], kind[alive]
            u = self.uniforms(person, np.full(len(person), step), 20)
            end = self._ends(person, start, kind, u[:, :3])
            rows.append((person, start, end, kind))
            if not len(person):
                break
            goes_on = self._goes_on(person, end, kind, further, u[:, 3:7])
            person, start, end, kind, u = person[goes_on], start[goes_on], end[goes_on], kind[goes_on], u[goes_on]
            start, kind = self._next(step, person, start, end, kind, u[:, 7:])
        return rows

    def _first(self) -> tuple[Int64s, Int64s, Int64s]:
        """Who has periods, when the first begins, and of which kind it is."""
        model, cell = self.model, _class_of(self.people)
        u = self.uniforms(np.arange(len(self.people)), np.zeros(len(self.people), np.int64), 10)
        person = np.flatnonzero(model.has.draw(cell, u[:, :3]))
        cell, u = cell[person], u[person]
        opens, closes = self.opens[person], self.closes[person]
        begins = model.begins.draw(cell, u[:, 3:6], unknown=_ON)
        most = np.where(begins == _BEFORE, opens, closes - opens - 1)
        days = model.begin_days.draw_within(
            np.column_stack([begins, cell[:, 1]]), u[:, 6], (begins == _BEFORE).astype(np.int64), np.maximum(most, 0)
        )
        days = np.maximum(days, begins == _BEFORE)
        start = np.where(begins == _BEFORE, opens - days, np.where(begins == _AFTER, closes - days, opens))
        start = np.where((begins == _AFTER) & (closes <= opens), opens, np.maximum(start, 0))
        return person, start, model.first.draw(band_of(start, _AGES)[:, None], u[:, 7:10])

    def _ends(self, person: Int64s, start: Int64s, kind: Int64s, u: npt.NDArray[np.float64]) -> Int64s:
        """The last day of periods: before, on or after the last of observation."""
        left = self.closes[person] - start
        ends = self.model.ends.draw(band_of(left, _LEFT)[:, None], u[:, :2], unknown=_ON)
        ends = np.where(left < 0, _AFTER, np.where((left == 0) & (ends == _BEFORE), _ON, ends))
        length = self._lengths(left, ends, kind, u[:, 2])
        unheard = (length < 0) & (ends == _BEFORE)  # of so short a length
        ends = np.where(unheard, _AFTER if _AFTER in self.model.ends.rungs[-1].low else _ON, ends)
        length = np.where(unheard, self._lengths(left, ends, kind, u[:, 2]), length)
        length = np.where((ends == _ON) | (length < 0), np.maximum(left, 0), length)
        return np.maximum(np.minimum(start + length, self.limit[person]), start)

    def _lengths(self, left: Int64s, ends: Int64s, kind: Int64s, u: npt.NDArray[np.float64]) -> Int64s:
        """How long periods last that end before or after observation; -1 where none is known to."""
        low = np.where(ends == _AFTER, np.maximum(left + 1, 0), 0)
        high = np.where(ends == _BEFORE, left - 1, np.where(ends == _AFTER, _FARTHEST, -1))
        return self.model.lengths.draw_within(kind[:, None], u, low, high)

    def _goes_on(
        self, person: Int64s, end: Int64s, kind: Int64s, further: Int64s, u: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.bool_]:
        """Whether another period follows. ``further`` is brought up to date."""
        left = self.closes[person] - end
        stops = self.model.stops.draw(np.column_stack([kind, band_of(left, _LEFT)]), u[:, :3], unknown=1) == 1
        crosses = np.flatnonzero((left <= 0) & (further[person] < 0))
        on = (left[crosses] == 0).astype(np.int64)[:, None]
        further[person[crosses]] = self.model.beyond.draw(on, u[crosses, 3:]) + 1
        has_crossed = further[person] >= 0
        further[person[has_crossed]] -= 1
        return np.where(has_crossed, further[person] > 0, ~stops)

    def _next(
        self, step: int, person: Int64s, before: Int64s, end: Int64s, kind: Int64s, u: npt.NDArray[np.float64]
    ) -> tuple[Int64s, Int64s]:
        """When another period begins, and of which kind it is."""
        model = self.model
        of_gap = model.gap.draw(kind[:, None], u[:, :2], unknown=_NEXT_DAY)
        least = np.where(of_gap == _LATER, 2, 1)
        days = model.gap_days.draw_within(of_gap[:, None], u[:, 2], least, np.full(len(person), _FARTHEST))
        days = np.maximum(days, least)
        gap = np.choose(of_gap, [-days, np.zeros_like(days), np.ones_like(days), days])
        after = np.maximum(end + gap, before + (of_gap != _OVERLAPS))
        turn = _turn(before, after)
        cell = np.column_stack([kind, turn, of_gap == _LATER, turn // 2])
        changes = np.flatnonzero(model.stays.draw(cell, u[:, 3:7], unknown=1) == 0)
        for attempt in range(_ATTEMPTS):
            own = self.uniforms(person[changes], np.full(len(changes), _CHANGES + attempt * _MOST + step), 4)
            drawn = model.next.draw(cell[changes], own, unknown=UNKNOWN)
            other = drawn != cell[changes, 0]
            kind[changes[other]] = drawn[other]
            changes = changes[~other]
        return after, kind
