"""The layer of attributes: type, source code, unit, route, quantity, end, and whatever else a record carries.

One record of each person and concept represents the person; a hash of the record chooses it. The first round counts
which codes and numbers occur with a concept. The second counts whole cells, all attributes of a record together, where
numbers other than the frequent ones are one class. A synthetic record draws a cell of its item. The persons whose cell
was too rare to be released are made up for by drawing each attribute alone, as often as it occurs with the item, where
they are many.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omopsql.harmonize.cdm import VERSIONS, tables
from omopsql.udfs import attributes as kernel

from .counting import counted, hashed
from .lives import Int32s, Int64s, Lives, owners
from .plan import Plan
from .reading import Site
from .records import NULL, Coded, Records, records_of
from .release import DROP, KEEP, POOL, Rule
from .subjects import END_MINUTE, MINUTE, NUMBERS, SCALE, Subject, subjects
from .sums import Sums

TABLES_HELD, SEEN, ATOM = "attributes.tables", "attributes.seen", "attributes.atom"
CELL, CODE, SPREAD, PERSONS = "attributes.cell", "attributes.code", "attributes.spread", "attributes.persons"
RULES: dict[str, Rule] = {
    TABLES_HELD: KEEP,
    SEEN: DROP,
    ATOM: POOL,
    CELL: DROP,
    CODE: DROP,
    SPREAD: POOL,
    PERSONS: DROP,
}
ROUNDED = [ATOM, SPREAD]

ANY = "*"  # in the place of a number that is none of the frequent ones
SPREAD_OUT = -2  # its code
_FEW = 0.1  # up to this share of rare cells is made up for by the others, whose attributes fit each other
_TYPE = "_type_concept_id"
_ELSEWHERE = 1 << 40  # places from here on are not those of records


# Counting


def margins(site: Site) -> Sums:
    """Count the persons by each code and each number of their records, given the concept."""
    sums = Sums()
    held = [name for name in tables(site.version) if site.has(name)]
    sums.put(TABLES_HELD, np.zeros((len(held), 0)), np.zeros(len(held)), pa.array(held, pa.string()))
    for records in records_of(site):
        for named in records.named():
            chosen = named.representing()
            for name, column in chosen.codes.items():
                _put_codes(sums, SEEN, chosen, name, column, without_missing=True)
            for name, column in chosen.numbers.items():
                _put_numbers(sums, ATOM, chosen, name, column, column.codes != NULL)
    return sums


def sums(site: Site, plan: Plan) -> Sums:
    """Count the persons by the cells of their records, given the item."""
    found = Sums()
    admitted, atoms = _admitted(plan.margins), _atoms(plan.margins)
    for records in records_of(site):
        chosen = records.of_items(plan.items).representing()
        number = chosen.subject.number
        columns = {name: _only(column, admitted.get((number, name), set())) for name, column in chosen.codes.items()}
        for name, column in chosen.numbers.items():
            frequent = atoms.get((number, NUMBERS.index(name)), np.zeros((0, 2), np.int64))
            if name in (MINUTE, END_MINUTE):
                frequent = frequent[frequent[:, 1] == 0]  # midnight: a time that is not known
            columns[name] = _classed(column, chosen.concept, frequent)
            _put_numbers(found, SPREAD, chosen, name, column, columns[name].codes == SPREAD_OUT)
        for name, column in columns.items():
            _put_codes(found, CODE, chosen, name, column, without_missing=False)
        _put_cells(found, chosen, columns)
        keys, n = counted(chosen.concept)
        found.put(PERSONS, _of_subject(number, keys), n)
    return found


def _put_codes(sums: Sums, statistic: str, records: Records, name: str, column: Coded, without_missing: bool) -> None:
    kept = column.codes != NULL if without_missing else np.ones(len(column.codes), np.bool_)
    keys, n = counted(records.concept[kept], column.codes[kept])
    labels = [_label({name: _value(column, code)}) for code in keys[:, 1].tolist()]
    sums.put(statistic, _of_subject(records.subject.number, keys[:, :1]), n, pa.array(labels, pa.string()))


def _put_numbers(
    sums: Sums, statistic: str, records: Records, name: str, column: Coded, kept: npt.NDArray[np.bool_]
) -> None:
    values = np.array(column.values, np.int64)[column.codes[kept]]
    keys, n = counted(records.concept[kept], np.full(len(values), NUMBERS.index(name)), values)
    sums.put(statistic, _of_subject(records.subject.number, keys), n)


def _put_cells(sums: Sums, records: Records, columns: dict[str, Coded]) -> None:
    """Count the combinations of all columns. Missing values are not named."""
    names = sorted(columns)
    first, n = _combinations([records.concept, *(columns[name].codes for name in names)])
    rows = zip(*(columns[name].codes[first].tolist() for name in names), strict=True) if names else [()] * len(n)
    labels = []
    for row in rows:
        cell = {name: _value(columns[name], code) for name, code in zip(names, row, strict=True)}
        labels.append(_label({name: value for name, value in cell.items() if value is not None}))
    keys = _of_subject(records.subject.number, records.concept[first].reshape(-1, 1))
    sums.put(CELL, keys, n, pa.array(labels, pa.string()))


def _combinations(columns: list[Int64s]) -> tuple[Int64s, Int64s]:
    """The distinct rows of some columns: where each first stands, and how often it occurs."""
    place = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, codes = np.unique(column, return_inverse=True)
        _, place = np.unique(place * (codes.max(initial=0) + 1) + codes, return_inverse=True)
    _, first, n = np.unique(place, return_index=True, return_counts=True)
    return first, n.astype(np.int64)


def _of_subject(number: int, keys: Int64s) -> Int64s:
    return np.column_stack([np.full(len(keys), number, np.int64), keys])


def _value(column: Coded, code: int) -> Any:
    return None if code == NULL else ANY if code == SPREAD_OUT else column.values[code]


def _label(cell: dict[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _admitted(margins: Sums) -> dict[tuple[int, str], set[Any]]:
    """The released codes of each column of each subject."""
    keys, _ = margins.get(SEEN, 2)
    admitted: dict[tuple[int, str], set[Any]] = {}
    for number, label in zip(keys[:, 0].tolist(), margins.labels(SEEN), strict=True):
        for name, value in json.loads(str(label)).items():
            admitted.setdefault((number, name), set()).add(value)
    return admitted


def _atoms(margins: Sums) -> dict[tuple[int, int], Int64s]:
    """The frequent numbers of each subject and number, as rows of concept and value."""
    keys, _ = margins.get(ATOM, 5)
    single = keys[keys[:, 3] == keys[:, 4]]
    kinds = np.unique(single[:, [0, 2]], axis=0).tolist()
    return {(s, m): single[(single[:, 0] == s) & (single[:, 2] == m)][:, [1, 3]] for s, m in kinds}


def _only(column: Coded, admitted: set[Any]) -> Coded:
    """The column with every other code missing."""
    lookup = [place if value in admitted else NULL for place, value in enumerate(column.values)]
    return Coded(np.array([*lookup, NULL], np.int64)[column.codes], column.values)


def _classed(column: Coded, concept: Int64s, frequent: Int64s) -> Coded:
    """The column with every number that is not frequent with its concept in one class."""
    places = {value: place for place, value in enumerate(column.values)}
    known = [(of, places[value]) for of, value in frequent.tolist() if value in places]
    pairs = np.array(known, np.int64).reshape(-1, 2)
    span = len(column.values) + 1
    is_frequent = np.isin(concept * span + column.codes, pairs[:, 0] * span + pairs[:, 1])
    codes = np.where(is_frequent | (column.codes == NULL), column.codes, SPREAD_OUT)
    return Coded(codes, column.values)


# Drawing


@dataclass(frozen=True)
class Shares:
    """Entries with weights, by group: those of group g are ``starts[g]`` to ``starts[g + 1]``."""

    starts: Int64s
    cumulative: Int64s

    @classmethod
    def of(cls, group: Int64s, n: Int64s, groups: int) -> Shares:
        """Entries by group, rising, with their weights."""
        starts = np.searchsorted(group, np.arange(groups + 1)).astype(np.int64)
        running = np.cumsum(n)
        before = np.concatenate([np.zeros(1, np.int64), running])[starts[:-1]]
        return cls(starts, running - np.repeat(before, np.diff(starts)))

    def weights(self) -> Int64s:
        """The weight of each entry."""
        before = np.zeros_like(self.cumulative)
        before[1:] = self.cumulative[:-1]
        before[self.starts[:-1][np.diff(self.starts) > 0]] = 0
        return self.cumulative - before


@dataclass(frozen=True)
class Spread:
    """The bins of a number, each from ``low`` to ``high``, ends included."""

    bins: Shares
    low: Int64s
    high: Int64s


@dataclass(frozen=True)
class Column:
    """An attribute: its distinct values, its code in each cell, and how it is drawn alone or within its spread."""

    values: list[Any]
    in_cell: Int64s
    alone: Shares
    alone_codes: Int64s
    spread: Spread | None = None


@dataclass(frozen=True)
class Cells:
    """What is known of one subject. ``concepts`` rise; group i is of concept i, and the last group of any other."""

    subject: Subject
    concepts: Int64s
    cells: Shares
    is_apart: npt.NDArray[np.bool_]
    columns: dict[str, Column]

    def groups(self, concepts: Int64s) -> Int64s:
        """The groups of concepts."""
        if not len(self.concepts):
            return np.zeros(len(concepts), np.int64)
        place = np.minimum(np.searchsorted(self.concepts, concepts), len(self.concepts) - 1)
        return np.where(self.concepts[place] == concepts, place, len(self.concepts))


@dataclass(frozen=True)
class Attributes:
    """The compiled layer: the tables that the source holds, and the cells of each subject, by name."""

    tables: frozenset[str]
    cells: dict[str, Cells]

    def drawn(self, name: str, concepts: Int64s, at: Int64s | Int32s, lives: Lives, offsets: Int64s) -> Drawn | None:
        """Draw the attributes of records of a subject; None when nothing is known of it.

        The records of person p are ``offsets[p]`` to ``offsets[p + 1]``; record i is of concept ``concepts[at[i]]``.
        """
        if name not in self.cells:
            return None
        cells = self.cells[name]
        return Drawn(cells, cells.groups(concepts)[at], Streams.of(lives, offsets, cells.subject.number))


@dataclass(frozen=True)
class Streams:
    """The random numbers of records: the state of each person, the person of each record, and its place."""

    states: npt.NDArray[np.uint64]
    person: Int64s
    places: Int64s

    @classmethod
    def of(cls, lives: Lives, offsets: Int64s, stream: int) -> Streams:
        """The streams of records that ``offsets`` give to persons, in the order of their numbers."""
        places = np.empty(int(offsets[-1]), np.int64)
        kernel.number_within(offsets, places)
        return cls(states_of(lives, stream), owners(offsets), places)

    def where(self, kept: npt.NDArray[np.bool_] | Int64s) -> Streams:
        """Those of the records that are marked."""
        return Streams(self.states, self.person[kept], self.places[kept])

    def at(self, places: Int64s | Int32s) -> Streams:
        """The same persons' numbers at other places: records of equal place share them."""
        return Streams(self.states, self.person, _ELSEWHERE + places.astype(np.int64))

    def entries(self, shares: Shares, groups: Int64s, draw: int) -> Int64s:
        """Draw an entry of each record's group."""
        found = np.empty(len(groups), np.int64)
        kernel.draw_cells(shares.starts, shares.cumulative, groups, self.states, self.person, self.places, draw, found)
        return found

    def within(self, low: Int64s, high: Int64s, bins: Int64s, draw: int) -> Int64s:
        """Draw a whole number within each record's bin; 0 without one."""
        values = np.zeros(len(bins), np.int64)
        kernel.draw_within(low, high, bins, self.states, self.person, self.places, draw, values)
        return values


def states_of(lives: Lives, stream: int) -> npt.NDArray[np.uint64]:
    """Where each person's stream begins: a hash of the life, so that attributes are a function of the life alone."""
    people, events = lives.people, lives.events
    held = np.zeros(len(lives), np.int64) if events is None else np.diff(events.offsets)
    spans = hashed(people.birth, people.start, people.end, people.death).view(np.int64)
    return hashed(lives.numbers, people.sex, spans, held, np.full(len(lives), stream))


class Drawn:
    """The attributes of some records, each drawn when it is asked for."""

    def __init__(self, cells: Cells, groups: Int64s, streams: Streams) -> None:
        self._known = cells
        self._groups = groups
        self._streams = streams
        self._cells = streams.entries(cells.cells, groups, 0)
        self._apart = np.flatnonzero((self._cells < 0) | cells.is_apart[self._cells])

    def give(self, name: str, rows: Int64s, values: list[Any]) -> None:
        """Draw the cells of some rows among those in which a column has a wanted value, where there are any."""
        place = {value: at for at, value in enumerate(self._known.columns[name].values)}
        self.give_codes(name, rows, np.array([place.get(value, SPREAD_OUT) for value in values], np.int64))

    def give_codes(self, name: str, rows: Int64s, wanted: Int64s) -> None:
        """Draw the cells of some rows as ``give`` does, by the places of the wanted values; -1 for a missing one."""
        known, column = self._known, self._known.columns[name]
        pairs, asked = np.unique(np.column_stack([self._groups[rows], wanted]), axis=0, return_inverse=True)
        cells, weights = np.arange(len(known.cells.cumulative)), known.cells.weights()
        group_of = np.repeat(np.arange(len(known.cells.starts) - 1), np.diff(known.cells.starts))
        fits = [np.flatnonzero((group_of == group) & (column.in_cell[cells] == code)) for group, code in pairs.tolist()]
        entries = np.concatenate([*fits, np.zeros(0, np.int64)])
        shares = Shares.of(np.repeat(np.arange(len(fits)), [len(fit) for fit in fits]), weights[entries], len(fits))
        drawn = self._streams.where(rows).entries(shares, asked.reshape(-1), 0)
        self._cells[rows[drawn >= 0]] = entries[drawn[drawn >= 0]]
        self._apart = np.flatnonzero((self._cells < 0) | known.is_apart[self._cells])

    def __contains__(self, name: str) -> bool:
        return name in self._known.columns

    def values(self, name: str) -> list[Any]:
        """The distinct values of a column."""
        return self._known.columns[name].values

    def codes(self, name: str) -> Int64s:
        """The places of a column's values; -1 where it is missing, -2 where it is a number of the spread."""
        column = self._known.columns[name]
        codes = column.in_cell[self._cells]
        if len(self._apart):
            draw = 1 + 3 * list(self._known.columns).index(name)
            alone = self._streams.where(self._apart).entries(column.alone, self._groups[self._apart], draw)
            codes[self._apart] = np.append(column.alone_codes, NULL)[alone]
        return codes

    def column(self, name: str, arrow_type: pa.DataType) -> pa.Array:
        """A code of each record, NULL where it is missing."""
        values = self.values(name)
        codes = self.codes(name)
        codes[codes < 0] = len(values)
        return pa.array([*values, None], arrow_type).take(pa.array(codes))

    def number(self, name: str, shared: Int64s | Int32s | None = None) -> tuple[Int64s, npt.NDArray[np.bool_]]:
        """A number of each record, in its steps, and whether it is missing.

        Records of one person with equal ``shared`` have the same place in their spreads.
        """
        column = self._known.columns[name]
        codes = self.codes(name)
        numbers = np.append(np.array(column.values, np.int64), 0)[np.maximum(codes, NULL)]
        spread = np.flatnonzero(codes == SPREAD_OUT)
        missing = codes == NULL
        if column.spread is not None and len(spread):
            draw = 2 + 3 * list(self._known.columns).index(name)
            streams = (self._streams if shared is None else self._streams.at(shared)).where(spread)
            bins = streams.entries(column.spread.bins, self._groups[spread], draw)
            numbers[spread] = streams.within(column.spread.low, column.spread.high, bins, draw + 1)
            missing[spread] = bins < 0
        return numbers, missing

    def scaled(self, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """A number of each record in its own unit, and whether it is missing."""
        numbers, missing = self.number(name)
        return numbers / SCALE.get(name, 1), missing


def compiled(released: Sums, plan: Plan) -> Attributes:
    """Make the tables that attributes are drawn from, out of released sums."""
    by_number = {subject.number: subject for version in VERSIONS for subject in subjects(version).values()}
    cells, alone = _by_subject(released, CELL), _by_subject(released, CODE)
    persons = np.column_stack(released.get(PERSONS, 2))
    spreads = np.column_stack(released.get(SPREAD, 5))
    found = {}
    for number in np.unique(persons[:, 0]).tolist():
        subject = by_number[number]
        own, of = persons[persons[:, 0] == number], spreads[spreads[:, 0] == number]
        compiler = _Compiler(subject, own[:, 1:], cells.get(number, []), alone.get(number, []), of[:, 1:])
        found[subject.name] = compiler.cells()
    return Attributes(frozenset(map(str, released.labels(TABLES_HELD))), found)


_Told = tuple[int, dict[str, Any], int]  # a concept, what a label says, and persons


def _by_subject(released: Sums, statistic: str) -> dict[int, list[_Told]]:
    """The labelled cells of a statistic, by the number of their subject."""
    keys, n = released.get(statistic, 2)
    found: dict[int, list[_Told]] = {}
    cells = zip(keys.tolist(), released.labels(statistic), n.tolist(), strict=True)
    for (number, concept), label, persons in cells:
        found.setdefault(number, []).append((concept, json.loads(str(label)), persons))
    return found


class _Compiler:
    """Makes the tables of one subject out of its released cells, its codes alone, and its spreads.

    ``spreads`` are rows of concept, number, first and last value, persons.
    """

    def __init__(
        self, subject: Subject, persons: Int64s, cells: list[_Told], alone: list[_Told], spreads: Int64s
    ) -> None:
        self.subject = subject
        self.concepts = persons[:, 0]
        self.spreads = spreads
        self._group = {concept: group for group, concept in enumerate(self.concepts.tolist())}
        self._entries = self._with_rest(cells, persons[:, 1])
        self._alone = alone

    def cells(self) -> Cells:
        """The tables of all columns."""
        group, n = _ints(entry[0] for entry in self._entries), _ints(entry[2] for entry in self._entries)
        is_apart = np.array([cell is None for _, cell, _ in self._entries] + [True], np.bool_)
        names = sorted({name for _, told, _ in self._alone for name in told})
        columns = {name: self._column(name) for name in names}
        return Cells(self.subject, self.concepts, Shares.of(group, n, self._groups), is_apart, columns)

    @property
    def _groups(self) -> int:
        return len(self.concepts) + 1

    def _with_rest(self, cells: list[_Told], persons: Int64s) -> list[tuple[int, dict[str, Any] | None, int]]:
        """The cells by group; where many persons' cells were not released, they are one more, None."""
        found: list[tuple[int, dict[str, Any] | None, int]] = []
        rest = persons.tolist()
        for concept, cell, n in cells:
            group = self._group[concept]
            found.append((group, cell, n))
            rest[group] -= n
        found += [(group, None, n) for group, n in enumerate(rest) if n > _FEW * persons[group]]
        return sorted(found, key=lambda entry: entry[0])

    def _column(self, name: str) -> Column:
        is_number = name in self.subject.numbers
        alone = [(self._group[concept], told[name], n) for concept, told, n in self._alone if name in told]
        if name not in self.subject.own:
            alone += self._of_any(alone)
        in_cell = [None if cell is None else cell.get(name) for _, cell, _ in self._entries]
        if name.endswith(_TYPE):
            in_cell, alone = self._always(in_cell, alone)
        told = {*in_cell, *(value for _, value, _ in alone)} - {None}
        values = sorted(told - {ANY} if is_number else told)
        places: dict[Any, int] = {value: place for place, value in enumerate(values)} | {None: NULL}
        if is_number:
            places[ANY] = SPREAD_OUT
        shares = Shares.of(_ints(row[0] for row in alone), _ints(row[2] for row in alone), self._groups)
        codes = _ints(places[value] for _, value, _ in alone)
        cells = _ints(places[value] for value in [*in_cell, None])
        return Column(values, cells, shares, codes, self._spread(name) if is_number else None)

    def _of_any(self, alone: list[tuple[int, Any, int]]) -> list[tuple[int, Any, int]]:
        """The codes of all concepts together: for a concept of which none was released."""
        totals: Counter[Any] = Counter()
        for _, value, n in alone:
            if value != ANY:
                totals[value] += n
        return [(self._groups - 1, value, n) for value, n in totals.items()]

    def _always(
        self, in_cell: list[Any], alone: list[tuple[int, Any, int]]
    ) -> tuple[list[Any], list[tuple[int, Any, int]]]:
        """The codes of a column that every record has: a code that was too rare to be released is the commonest one."""
        totals: Counter[Any] = Counter()
        for _, value, n in alone:
            totals[value] += n
        del totals[None]
        if not totals:
            return in_cell, alone
        commonest = max(totals, key=lambda value: (totals[value], value))
        known = {group for group, _, _ in alone}
        told = [(group, commonest if value is None else value, n) for group, value, n in alone]
        told += [(group, commonest, 1) for group in range(self._groups) if group not in known]
        return [commonest if value is None else value for value in in_cell], sorted(told, key=lambda entry: entry[0])

    def _spread(self, name: str) -> Spread:
        own = self.spreads[self.spreads[:, 1] == NUMBERS.index(name)]
        group = _ints(self._group[concept] for concept in own[:, 0].tolist())
        return Spread(Shares.of(group, own[:, 4], self._groups), own[:, 2].copy(), own[:, 3].copy())


def _ints(values: Iterable[int]) -> Int64s:
    return np.fromiter(values, np.int64)
