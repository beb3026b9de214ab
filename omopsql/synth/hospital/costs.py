"""The layer of costs: which records have some, by what is recorded and who pays, and how much each amount is.

Amounts of a record depend on each other, and how is its pattern: one is missing, zero, equal to another, what another
leaves of a third, or free. A synthetic record draws a pattern, and its free amounts: the first one by itself, the
others as values that many share, or in proportion to the first. The rest follows, so that sums hold as they do in the
source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.harmonize.cdm import roles

from . import payers
from .choices import Choices, Rungs, put_shares
from .counting import counted, hashed, put_persons, representing
from .histograms import Histograms, Ladder, Lookup, band_of
from .lives import Doubles, Int64s
from .plan import TABLE_NUMBERS, Items, Plan
from .reading import Site
from .release import DROP, POOL, Rule
from .sums import Sums
from .told import Told, put_told

TABLE = "cost"
DOMAINS = {  # the tables of the domains that a cost may belong to
    "Condition": "condition_occurrence",
    "Procedure": "procedure_occurrence",
    "Drug": "drug_exposure",
    "Device": "device_exposure",
    "Measurement": "measurement",
    "Observation": "observation",
    "Specimen": "specimen",
    "Visit": "visit_occurrence",
}
AMOUNTS = (  # an amount's place here is public; never reorder, only append
    "total_charge",
    "total_cost",
    "amount_allowed",
    "total_paid",
    "paid_by_patient",
    "paid_by_payer",
    "paid_patient_copay",
    "paid_patient_coinsurance",
    "paid_patient_deductible",
    "paid_by_primary",
    "paid_dispensing_fee",
    "paid_ingredient_cost",
)
_TOTALS, _PATIENT, _COPAY, _COINSURANCE, _DEDUCTIBLE = (3, 2, 1, 0), 4, 6, 7, 8
_PARTS = {5: (_PATIENT,), 7: (_COPAY,), 8: (_COPAY, _COINSURANCE), 9: (_PATIENT, 5), 11: (10,)}
_SOONEST = {9: (5,)}  # amounts that another is taken to equal before all the rest: the primary payer is the payer
_WHOLES = {7: (_PATIENT,), 8: (_PATIENT,), 11: (1, 3, 0, 2)}  # the totals otherwise
MISSING, ZERO, FREE, MINUS, EQUAL, REST = "n", "0", "f", "m", "=", "-"
_FIELDS = (
    "cost_type_concept_id",
    "currency_concept_id",
    "revenue_code_concept_id",
    "revenue_code_source_value",
    "drg_concept_id",
    "drg_source_value",
)

ANY, PATTERN, AMOUNT, TOLD = (f"costs.{name}" for name in ("any", "pattern", "amount", "told"))
_NUMBER = {  # of a record's domain, concept, whether a payer plan period covers it
    "costs.number.item": (0, 1, 2),
    "costs.number.covered": (0, 2),
    "costs.number": (0,),
}
_CHOSEN = {  # of domain, concept, kind of payer, band of the first amount
    "costs.chosen.item": (0, 1, 2, 3),
    "costs.chosen.payer": (0, 2, 3),
    "costs.chosen.band": (0, 3),
    "costs.chosen": (0,),
}
_FIRST = {"costs.first.item": (0, 2), "costs.first": (0,)}  # of domain, place of the amount, concept, kind of payer
_VALUE = {  # of domain, place of the amount, concept, kind of payer, band of the first amount
    "costs.value.item": (0, 1, 2, 3, 4),
    "costs.value.payer": (0, 1, 3),
    "costs.value": (0, 1),
}
_SIZES = {"costs.size.item": (0, 2), "costs.size": (0,)}
_RATIOS = {"costs.ratio.item": (0, 1, 2), "costs.ratio.payer": (0, 1, 3), "costs.ratio": (0, 1)}
_SAID = {"costs.said.item": (0, 1), "costs.said": (0,)}
_LINK = {"costs.link": (0,)}

RULES: dict[str, Rule] = {
    ANY: DROP,  # domain: have a cost
    PATTERN: DROP,  # domain, the number of a pattern, and what it is
    AMOUNT: DROP,  # domain, place of the amount, hundredths
    TOLD: DROP,  # domain, the number of what else is told, and what it is
    # of the second round
    **dict.fromkeys((*_NUMBER, *_CHOSEN, *_FIRST, *_VALUE, *_SAID, *_LINK), DROP),
    **dict.fromkeys((*_SIZES, *_RATIOS), POOL),
}
ROUNDED = [*_SIZES, *_RATIOS]

SPREAD = 0  # in the place of an amount: none of those that many persons share
NOTHING = -2  # there: no amount is free
_LARGEST = 1 << 50  # hundredths
_STEP = np.log(1.05)  # sizes grow by a twentieth
_PERSONS_A_RUNG = 3
_MOST = 5  # costs of a record
_PERMILLE = 1000
_MOST_RATIO = 100 * _PERMILLE


# Counting


@dataclass(frozen=True)
class Records:
    """The records of one table: person, concept, own day and key of each, by person."""

    domain: str
    person: Int64s
    concept: Int64s
    day: Int64s
    key: Int64s


def records_of(site: Site, domain: str, items: Items) -> Records | None:
    """Read the records of a domain's table; concepts count as the items they are rolled up to, others as 0."""
    table = DOMAINS[domain]
    if not site.has(table):
        return None
    rows = site.rows(table, items)
    item = rows["item"].to_numpy().astype(np.int64)
    concept = np.where(item >= 0, np.append(items.concept, 0)[item], 0)
    key = pc.fill_null(rows[roles(site.version)[table].key_field], -1).to_numpy().astype(np.int64)
    person, day = (rows[name].to_numpy().astype(np.int64) for name in ("person", "own_day"))
    return Records(domain, person, concept, day, key)


@dataclass(frozen=True)
class Costs:
    """Costs of records of one domain: the place of the record of each, and its amounts in hundredths by name.

    ``amounts`` (costs, amounts) tell how much; of ``missing`` ones nothing is known.
    """

    record: Int64s
    amounts: Int64s
    missing: npt.NDArray[np.bool_]
    period: Int64s
    told: Told

    def patterns(self) -> Told:
        """How the amounts of each cost depend on each other."""
        return _patterns(self.amounts, self.missing)


def _costs_of(rows: pa.Table, records: Records) -> Costs:
    """The costs of records, by record."""
    here = pc.equal(pc.utf8_lower(pc.utf8_trim_whitespace(rows["cost_domain_id"])), records.domain.lower())
    rows = rows.filter(pc.fill_null(here, False))
    order = np.argsort(records.key, kind="stable")
    wanted = pc.fill_null(rows["cost_event_id"], -1).to_numpy().astype(np.int64)
    at = np.minimum(np.searchsorted(records.key[order], wanted), max(len(order) - 1, 0))
    found = (records.key[order][at] == wanted) & (wanted >= 0) if len(order) else np.zeros(len(wanted), np.bool_)
    rows, record = rows.filter(pa.array(found)), order[at[found]] if len(order) else np.zeros(0, np.int64)
    amounts = [rows[name].to_numpy().astype(np.float64) for name in AMOUNTS]
    values = np.column_stack(amounts) if len(record) else np.zeros((0, len(AMOUNTS)))
    missing = ~np.isfinite(values) | (np.abs(values) >= _LARGEST / 100)
    cents = np.round(np.where(missing, 0.0, values) * 100).astype(np.int64)
    period = pc.fill_null(rows["payer_plan_period_id"], -1).to_numpy().astype(np.int64)
    told = Told.of(rows, _FIELDS)
    order = np.lexsort((told.numbers, *cents.T, record))
    return Costs(record[order], cents[order], missing[order], period[order], Told(told.numbers[order], told.labels))


def _wholes(place: int) -> tuple[int, ...]:
    return _WHOLES.get(place, _TOTALS)


def _patterns(amounts: Int64s, missing: npt.NDArray[np.bool_]) -> Told:
    """A letter for each amount, and a place after some: n missing, 0 zero, f free, m free and below zero, =a equal to
    a, -a what the parts of the amount leave of a.
    """
    codes = np.zeros(amounts.shape, np.int64)
    names = [MISSING, ZERO, FREE, MINUS]
    names += [EQUAL + chr(97 + a) for a in range(len(AMOUNTS))] + [REST + chr(97 + a) for a in range(len(AMOUNTS))]
    equal, rest = 4, 4 + len(AMOUNTS)
    for place in range(len(AMOUNTS)):
        own = amounts[:, place]
        code = np.where(own < 0, 3, 2)
        for other in (*reversed(range(len(_TOTALS), place)), *_SOONEST.get(place, ())):
            code = np.where((own == amounts[:, other]) & ~missing[:, other], equal + other, code)
        parts = _PARTS.get(place, ())
        held = amounts[:, list(parts)].sum(axis=1) if parts else np.zeros(len(own), np.int64)
        for whole in reversed(_wholes(place) if parts else ()):
            fits = (np.abs(amounts[:, whole] - held - own) <= 1) & (held > 0) & ~missing[:, whole] & (own > 0)
            code = np.where(fits, rest + whole, code)
        for other in reversed(range(min(place, len(_TOTALS)))):
            code = np.where((own == amounts[:, other]) & ~missing[:, other], equal + other, code)
        code = np.where(own == 0, 1, code)
        codes[:, place] = np.where(missing[:, place], 0, code)
    cells, at = np.unique(codes, axis=0, return_inverse=True)
    labels = ["".join(names[code] for code in cell) for cell in cells.tolist()]
    return Told.labelled(labels, at.reshape(-1))


def _letters(label: str) -> list[tuple[str, int]]:
    """The parts of a pattern: a letter for each amount, and the place that it names."""
    found, at = [], 0
    while at < len(label):
        named = label[at] in EQUAL + REST
        found.append((label[at], ord(label[at + 1]) - 97 if named else -1))
        at += 1 + named
    return found


def _each(site: Site, items: Items) -> Iterator[tuple[int, Records, Costs]]:
    """The records of each domain and their costs; the domain goes by the number of its table."""
    if not site.has(TABLE):
        return
    rows = site.cursor.sql(f"FROM ({site.typed(TABLE)})").to_arrow_table().combine_chunks()
    for domain, table in DOMAINS.items():
        records = records_of(site, domain, items)
        if records is not None:
            yield TABLE_NUMBERS[table], records, _costs_of(rows, records)


def margins(site: Site) -> Sums:
    """Count the persons by patterns of their costs and by amounts. The first round."""
    found = Sums()
    for number, records, costs in _each(site, Items.of(Sums())):
        person = records.person[costs.record]
        put_persons(found, ANY, person, np.full(len(person), number))
        for statistic, told in ((PATTERN, costs.patterns()), (TOLD, costs.told)):
            put_told(found, statistic, person, np.full(len(person), number), told)
        for place in range(len(AMOUNTS)):
            own = np.flatnonzero(~costs.missing[:, place] & (costs.amounts[:, place] != 0))
            cents = np.abs(costs.amounts[own, place])
            put_persons(found, AMOUNT, person[own], np.full(len(own), number), np.full(len(own), place), cents)
    return found


def sums(site: Site, plan: Plan) -> Sums:
    """Count which records have costs, their patterns and their free amounts. The second round."""
    found = Sums()
    known = plan.margins.get(ANY, 1)[0][:, 0]
    covers = None
    for number, records, costs in _each(site, plan.items) if len(known) else ():
        if number in known:
            covers = payers.read(site) if covers is None else covers
            _count(found, number, records, costs, covers, plan.margins)
    return found


def _count(found: Sums, number: int, records: Records, costs: Costs, covers: payers.Covers, margins: Sums) -> None:
    person, concept = records.person, records.concept
    held = np.bincount(costs.record, minlength=len(person))
    covers_record = covers.covering(person, records.day) >= 0
    cell = np.column_stack([np.full(len(person), number), concept, covers_record])
    alike = hashed(covers.people.birth[person], records.day, concept, held)
    put_shares(found, _NUMBER, person, alike, cell, np.minimum(held, _MOST))
    person, concept, day = (column[costs.record] for column in (person, concept, records.day))
    of_domain = np.full(len(person), number)
    cover = covers.covering(person, day)
    kind = np.append(covers.known(margins), payers.UNCOVERED)[cover]
    hashes = hashed(covers.people.birth[person], day, concept, costs.told.numbers, *costs.amounts.T)
    is_linked = ((costs.period >= 0) & (cover >= 0)).astype(np.int64)
    covered = cover >= 0
    put_shares(found, _LINK, person[covered], hashes[covered], of_domain[covered, None], is_linked[covered])
    said = _released(costs.told, TOLD, number, margins)
    put_shares(found, _SAID, person, hashes, np.column_stack([of_domain, concept]), said)
    patterns = costs.patterns()
    first = _first_place(patterns)
    base = _base(costs, first)
    chosen = _released(patterns, PATTERN, number, margins)
    cell = np.column_stack([of_domain, concept, kind, _band(base)])
    put_shares(found, _CHOSEN, person, hashes, cell, chosen)
    empty = np.flatnonzero(first < 0)
    cell = np.column_stack([of_domain, of_domain, concept, kind, _band(base)])
    keys, _ = margins.get(AMOUNT, 3)
    shared = keys[keys[:, 0] == number, 1:]
    is_shared = _among(np.column_stack([first, base]), shared)
    outcome = np.where(is_shared, base, SPREAD)
    outcome[empty] = NOTHING
    put_shares(found, _FIRST, person, hashes, cell, outcome)
    _put_spread(found, _SIZES, person, hashes, cell, _size(base), outcome == SPREAD)
    _count_others(found, cell, person, hashes, costs, patterns, first, base, shared)


def _among(rows: Int64s, known: Int64s) -> npt.NDArray[np.bool_]:
    return Lookup.of(known).find(rows, np.arange(len(known))) >= 0


def _base(costs: Costs, first: Int64s) -> Int64s:
    """The first free amount of each cost; 0 where none is."""
    amounts = np.abs(np.take_along_axis(costs.amounts, np.maximum(first, 0)[:, None], axis=1)[:, 0])
    return np.where(first < 0, 0, amounts)


def _band(base: Int64s) -> Int64s:
    """The band of the first amount; -1 without one."""
    return np.where(base == 0, -1, band_of(_size(base), _SIZE_BANDS))


_SIZE_BANDS = np.floor(np.log(np.array([1, 10, 30, 100, 200, 500, 1000, 3000, 10_000, 100_000]) * 100) / _STEP)
_SIZE_BANDS = _SIZE_BANDS.astype(np.int64)


def _released(told: Told, statistic: str, number: int, margins: Sums) -> Int64s:
    """The numbers of what is told, 0 for what too few persons share."""
    keys, _ = margins.get(statistic, 2)
    return np.where(np.isin(told.numbers, keys[keys[:, 0] == number, 1]), told.numbers, 0)


def _first_place(patterns: Told) -> Int64s:
    """The place of the first free amount of each cost; -1 where none is."""
    first = {number: _first_of(_letters(label)) for number, label in patterns.labels.items()}
    numbers, place = np.unique(patterns.numbers, return_inverse=True)
    return np.array([first[number] for number in numbers.tolist()] or [-1], np.int64)[place.reshape(-1)]


def _first_of(letters: list[tuple[str, int]]) -> int:
    return next((place for place, (letter, _) in enumerate(letters) if letter in FREE + MINUS), -1)


def _size(cents: Int64s) -> Int64s:
    """The public bin of an amount: bins grow by a twentieth."""
    return np.floor(np.log(np.maximum(cents, 1)) / _STEP).astype(np.int64)


def _count_others(
    found: Sums, cell: Int64s, person: Int64s, hashes: npt.NDArray[np.uint64], costs: Costs, patterns: Told,
    first: Int64s, base: Int64s, shared: Int64s,
) -> None:  # fmt: skip
    """The free amounts after the first: those that many persons share, and the others in proportion to the first."""
    letters = {one: _letters(label) for one, label in patterns.labels.items()}
    numbers, at = np.unique(patterns.numbers, return_inverse=True)
    for place in range(1, len(AMOUNTS)):
        is_free = np.array([letters[one][place][0] in FREE + MINUS for one in numbers.tolist()] or [False], np.bool_)
        own = np.flatnonzero(is_free[at.reshape(-1)] & (first != place)) if len(at) else np.zeros(0, np.int64)
        cents = np.abs(costs.amounts[own, place])
        outcome = np.where(np.isin(cents, shared[shared[:, 0] == place, 1]), cents, SPREAD)
        of_place = cell[own]
        of_place[:, 1] = place
        put_shares(found, _VALUE, person[own], hashes[own], of_place, outcome)
        ratio = np.minimum(cents * _PERMILLE // np.maximum(base[own], 1), _MOST_RATIO)
        _put_spread(found, _RATIOS, person[own], hashes[own], of_place, ratio, outcome == SPREAD)


def _put_spread(
    found: Sums, rungs: Rungs, person: Int64s, hashes: npt.NDArray[np.uint64], cell: Int64s, value: Int64s,
    is_spread: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    own = np.flatnonzero(is_spread)
    for name, columns in rungs.items():
        cells = [cell[own, column] for column in columns]
        rows = representing(person[own], hashes[own], *cells)
        found.put(name, *counted(*(column[rows] for column in cells), value[own][rows]))


# Drawing


@dataclass(frozen=True)
class CostModel:
    """What costs are drawn from. ``domains`` are the numbers of the tables whose records have some.

    Pattern i is number ``patterns[i]``: ``letters`` (patterns, amounts) tells what each amount is, ``named`` the place
    that it names. ``told`` are the other fields, by number.
    """

    domains: Int64s
    patterns: Int64s
    letters: npt.NDArray[np.str_]
    named: Int64s
    told: dict[int, dict[str, Any]]
    number: Choices
    chosen: Choices
    first: Choices
    sizes: Ladder
    value: Choices
    ratios: Ladder
    said: Choices
    link: Choices


def compiled(released: Sums, plan: Plan) -> CostModel:
    """Arrange what was released for drawing. A model without these statistics makes no costs."""
    least = _PERSONS_A_RUNG * plan.min_cell
    labels = dict(zip(released.get(PATTERN, 2)[0][:, 1].tolist(), released.labels(PATTERN), strict=True))
    patterns = sorted(labels)
    parts = [_letters(str(labels[number])) for number in patterns]
    told = zip(released.get(TOLD, 2)[0][:, 1].tolist(), released.labels(TOLD), strict=True)
    return CostModel(
        domains=np.unique(released.get("costs.number", 2)[0][:, 0]),
        patterns=np.array(patterns, np.int64),
        letters=np.array([[letter for letter, _ in own] for own in parts], "U1").reshape(-1, len(AMOUNTS)),
        named=np.array([[place for _, place in own] for own in parts], np.int64).reshape(-1, len(AMOUNTS)),
        told={number: json.loads(str(label)) for number, label in told},
        number=Choices.shares(released, _NUMBER),
        chosen=Choices.shares(released, _CHOSEN),
        first=Choices.shares(released, _FIRST),
        sizes=_ladder(released, _SIZES, least),
        value=Choices.shares(released, _VALUE),
        ratios=_ladder(released, _RATIOS, least),
        said=Choices.shares(released, _SAID),
        link=Choices.shares(released, _LINK),
    )


def _ladder(released: Sums, rungs: Rungs, least: int) -> Ladder:
    held = tuple(Histograms.of(released, name, len(columns)) for name, columns in rungs.items())
    return Ladder(held, tuple(rungs.values()), least)


NUMBER_DRAWS, DRAWS = 3, 100  # random numbers of a record, and of a cost


def numbers_of(model: CostModel, domain: int, concept: Int64s, is_covered: npt.NDArray[np.bool_], u: Doubles) -> Int64s:
    """How many costs records have, by uniform numbers ``u`` (records, NUMBER_DRAWS)."""
    return model.number.draw(np.column_stack([np.full(len(concept), domain), concept, is_covered]), u)


@dataclass(frozen=True)
class Drawn:
    """Costs that were drawn: amounts in hundredths (costs, amounts), which are missing, the number of what else is
    told, and whether they refer to the payer plan period that covers their day.
    """

    amounts: Int64s
    missing: npt.NDArray[np.bool_]
    told: Int64s
    is_linked: npt.NDArray[np.bool_]


def drawn(model: CostModel, domain: Int64s, concept: Int64s, kind: Int64s, u: Doubles) -> Drawn:
    """Draw costs of records of domains, concepts and kinds of payers, by uniform numbers ``u`` (costs, DRAWS)."""
    cell = np.column_stack([domain, domain, concept, kind])
    base = _first_amounts(model, cell, u[:, :4])
    cell = np.column_stack([cell, _band(base)])
    of_pattern = cell[:, [0, 2, 3, 4]]
    number = model.chosen.draw(of_pattern, u[:, 4:8], unknown=0)
    at = np.searchsorted(model.patterns, number)
    known = (at < len(model.patterns)) & (number > 0)
    at = np.where(known, at, 0)
    none = np.full((len(cell), len(AMOUNTS)), MISSING)
    letters = np.where(known[:, None], model.letters[at], none) if len(model.patterns) else none
    named = model.named[at] if len(model.patterns) else np.zeros(none.shape, np.int64)
    amounts = _amounts(model, cell, base, letters, named, u[:, 16:])
    said = model.said.draw(of_pattern[:, :2], u[:, 8:10], unknown=0)
    is_linked = (model.link.draw(domain[:, None], u[:, 10:11]) == 1) & (kind != payers.UNCOVERED)
    return Drawn(amounts, letters == MISSING, said, is_linked)


def _first_amounts(model: CostModel, cell: Int64s, u: Doubles) -> Int64s:
    """The first free amount of each cost; 0 without one."""
    outcome = model.first.draw(cell, u[:, :2], unknown=NOTHING)
    highest = np.full(len(cell), 1 << 20)
    size = model.sizes.draw_within(cell, u[:, 2], np.zeros(len(cell), np.int64), highest)
    spread = np.floor(np.exp((np.maximum(size, 0) + u[:, 3]) * _STEP)).astype(np.int64)
    return np.where(outcome == SPREAD, np.maximum(spread, 1), np.where(outcome == NOTHING, 0, outcome))


def _amounts(
    model: CostModel, cell: Int64s, base: Int64s, letters: npt.NDArray[np.str_], named: Int64s, u: Doubles
) -> Int64s:
    """All amounts, each after those that it depends on."""
    found = np.zeros(letters.shape, np.int64)
    rows = np.arange(len(cell))
    is_free = (letters == FREE) | (letters == MINUS)
    first = np.where(is_free.any(axis=1), is_free.argmax(axis=1), -1)
    for place in range(len(AMOUNTS)):
        letter, other = letters[:, place], named[:, place]
        own = found[:, place]
        own[first == place] = np.maximum(base, 1)[first == place]
        free = np.flatnonzero(is_free[:, place] & (first != place))
        own[free] = _other_amounts(model, cell[free], base[free], place, u[free, 5 * place : 5 * place + 5])
        own[:] = np.minimum(own, _bound(found, letters, named, place))
        own[letter == MINUS] *= -1
        equal, rest = letter == EQUAL, letter == REST
        own[equal] = found[rows[equal], other[equal]]
        held = found[:, list(_PARTS.get(place, ()))].sum(axis=1)
        own[rest] = np.maximum(found[rows[rest], other[rest]] - held[rest], 0)
    return found


def _other_amounts(model: CostModel, cell: Int64s, base: Int64s, place: int, u: Doubles) -> Int64s:
    cell = cell.copy()
    cell[:, 1] = place
    outcome = model.value.draw(cell, u[:, :3], unknown=SPREAD)
    ratio = model.ratios.draw_within(cell, u[:, 3], np.zeros(len(cell), np.int64), np.full(len(cell), _MOST_RATIO))
    spread = np.round(base * ((np.maximum(ratio, 0) + u[:, 4]) / _PERMILLE)).astype(np.int64)
    return np.where(outcome == SPREAD, np.maximum(spread, 1), outcome)


def _bound(found: Int64s, letters: npt.NDArray[np.str_], named: Int64s, place: int) -> Int64s:
    """The most that a part of another amount may be, so that something or nothing is left."""
    bound = np.full(len(found), _LARGEST)
    rows = np.arange(len(found))
    for rest, parts in _PARTS.items():
        if place in parts:
            others = found[:, [part for part in parts if part < place]].sum(axis=1)
            left = np.maximum(found[rows, np.maximum(named[:, rest], 0)] - others, 0)
            bound = np.where(letters[:, rest] == REST, np.minimum(bound, left), bound)
    return bound
