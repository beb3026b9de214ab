"""The two or three CDMs that are compared, read as arrays with the same items and variables.

Each table is read once, by the files of ``sql/evaluate/cdm``. A table or column that a CDM lacks is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError, first_line
from omopsql.harmonize.cdm import VERSIONS, tables
from omopsql.quality.beyond.inputs import Inputs
from omopsql.quoting import identifier

from .histories import GROUPS, TABLES, Bools, Histories, Ints, Items, Measured, People, Variables
from .stories import story

MOST_PERSONS = 100_000  # of a side that are read
_PEOPLE = "omopsql_people"
_PEOPLE_ROWS = f"FROM {_PEOPLE}"


@dataclass(frozen=True)
class Filled:
    """How full a table is: its rows, and by column those that have a value; int64[groups] of persons each."""

    rows: Ints
    values: dict[str, Ints]

    def of_groups(self, chosen: Bools) -> Filled:
        """Count only some groups."""
        return Filled(self.rows * chosen, {column: count * chosen for column, count in self.values.items()})


@dataclass(frozen=True)
class Hospital:
    """One CDM: its name, how many persons it has, and those that were read.

    ``filled`` tells how full its tables are, where that was asked for.
    """

    name: str
    persons: int
    histories: Histories
    measured: Measured
    filled: dict[str, Filled] = field(default_factory=dict)

    @property
    def people(self) -> People:
        """The persons that were read."""
        return self.histories.people

    def persons_with(self, items: int) -> Ints:
        """How many persons have each of so many items, int64[items]."""
        histories = self.histories
        known = np.unique(histories.item * len(self.people) + histories.person)
        return np.bincount(known // len(self.people), minlength=items)

    def taken(self, chosen: Ints) -> Hospital:
        """Only these persons, rising."""
        place = np.full(len(self.people), -1)
        place[chosen] = np.arange(chosen.size)
        measured = self.measured.kept(place[self.measured.person] >= 0)
        measured = replace(measured, person=place[measured.person])
        return replace(self, histories=self.histories.taken(chosen), measured=measured)

    def of_groups(self, chosen: Bools) -> Hospital:
        """Only the persons of some groups, bool[groups]."""
        filled = {name: table.of_groups(chosen) for name, table in self.filled.items()}
        return replace(self.taken(np.flatnonzero(chosen[self.people.group])), filled=filled)


@dataclass(frozen=True)
class Hospitals:
    """The sides of a comparison, with what the numbers of items and variables stand for. The commonest item is 0."""

    real: Hospital
    synthetic: Hospital
    holdout: Hospital | None
    items: Items
    variables: Variables

    @property
    def every(self) -> tuple[Hospital, ...]:
        """The sides there are: real, synthetic and, where given, holdout."""
        return (self.real, self.synthetic) if self.holdout is None else (self.real, self.synthetic, self.holdout)

    def comparison(self) -> Comparison:
        """The real side against the synthetic one."""
        return Comparison(self.real, self.synthetic, self, GROUPS)

    def reference(self) -> Comparison:
        """Real persons against others: the real side and the holdout, or else two halves of the real side's groups."""
        first, second = self._halves
        return Comparison(first, second, self, 0)

    @cached_property
    def _halves(self) -> tuple[Hospital, Hospital]:
        if self.holdout is not None:
            return self.real, self.holdout
        is_first = np.arange(GROUPS) < GROUPS // 2
        return self.real.of_groups(is_first), self.real.of_groups(~is_first)


@dataclass(frozen=True)
class Comparison:
    """Two sides of which the first is real, of these hospitals.

    ``groups`` of persons are left out one by one for an interval; none are left out of a reference.
    """

    real: Hospital
    synthetic: Hospital
    hospitals: Hospitals
    groups: int

    @property
    def sides(self) -> tuple[Hospital, Hospital]:
        """Both sides."""
        return self.real, self.synthetic

    @property
    def persons(self) -> int:
        """Persons of the smaller side."""
        return min(len(self.real.people), len(self.synthetic.people))

    def least(self, number: int) -> int:
        """How many a score needs: in a reference a quarter, so that half the persons tell of the same subjects."""
        return number if self.groups else max(number // 4, 1)


def open_hospitals(
    cursor: duckdb.DuckDBPyConnection,
    real: str,
    synthetic: str,
    holdout: str | None = None,
    *,
    persons: int = MOST_PERSONS,
    seed: int = 0,
    with_filled: bool = False,
) -> Hospitals:
    """Read CDMs, folders or schemas: of each at most so many persons, drawn by the seed.

    With ``with_filled`` it is also counted how full their tables are. Raises OmopsqlError when a CDM cannot be read or
    has no persons.
    """
    cdms = [cdm for cdm in (real, synthetic, holdout) if cdm is not None]
    sides, items, variables = read_hospitals(cursor, cdms, persons, seed, with_filled)
    return Hospitals(sides[0], sides[1], sides[2] if len(sides) > 2 else None, items, variables)


def read_hospitals(
    cursor: duckdb.DuckDBPyConnection,
    cdms: Sequence[str],
    persons: int = MOST_PERSONS,
    seed: int = 0,
    with_filled: bool = False,
) -> tuple[list[Hospital], Items, Variables]:
    """Read any number of CDMs, as ``open_hospitals`` does."""
    read = [_Reader(cursor, cdm, persons, seed, with_filled) for cdm in cdms]
    items, item = _numbered([reader.records.key for reader in read])
    variables, variable = _numbered([reader.measured_key for reader in read])
    sides = [reader.hospital(*numbers) for reader, *numbers in zip(read, item, variable, strict=True)]
    return sides, Items(*items), Variables(*variables)


def _numbered(keys: list[tuple[Ints, Ints]]) -> tuple[tuple[Ints, Ints], list[Ints]]:
    """Number the pairs of all sides together, the commonest first: both parts of each, and the numbers of each side."""
    sizes = [first.size for first, _ in keys]
    first, second = (np.concatenate(parts) for parts in zip(*keys, strict=True))
    of_second, place = np.unique(second, return_inverse=True)
    known, number, count = np.unique(first * of_second.size + place, return_inverse=True, return_counts=True)
    rank = np.empty(known.size, np.int64)
    rank[np.argsort(-count, kind="stable")] = np.arange(known.size)
    one, other = np.divmod(known[np.argsort(rank)], max(of_second.size, 1))
    return (one, of_second[other]), np.split(rank[number], np.cumsum(sizes)[:-1])


@dataclass(frozen=True)
class _Records:
    """Records of all tables by person and day: whose, of which table and concept, and on which day."""

    person: Ints
    key: tuple[Ints, Ints]
    t: Ints


class _Reader:
    """The arrays of one CDM, before its items are numbered."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, cdm: str, persons: int, seed: int, with_filled: bool) -> None:
        self.cursor, self.inputs = cursor, Inputs(cursor, cdm)
        self.inputs.need("person", "person_id")
        self.settings = f"SELECT {int(seed)} AS seed, {int(persons)} AS most, {GROUPS} AS number_of_groups"
        try:
            self.rows = self._answer("people", settings=self.settings)
            if not len(self.rows):
                raise OmopsqlError(f"{cdm} has no persons, so there is nothing to compare")
            self._keep_people()
            self.records = self._records()
            self.measured = self._answer("measured", people=_PEOPLE_ROWS)
            self.filled = self._filled() if with_filled else {}
        except duckdb.Error as error:
            raise OmopsqlError(f"{cdm} cannot be read: {first_line(error)}") from error

    @property
    def measured_key(self) -> tuple[Ints, Ints]:
        """Concept and unit of each measured value."""
        return _ints(self.measured["concept_id"]), _ints(self.measured["unit_concept_id"])

    def hospital(self, item: Ints, variable: Ints) -> Hospital:
        """The CDM, given the item of each record and the variable of each measured value."""
        rows = self.rows
        people = People(
            person_id=_ints(rows["person_id"]),
            group=_ints(rows["group_number"]),
            sex=_ints(rows["sex"]),
            race=_ints(rows["race"]),
            ethnicity=_ints(rows["ethnicity"]),
            by=rows["year_of_birth"].to_numpy(),
            origin=_ints(rows["origin"]),
            start=_ints(rows["first_day"]),
            len=_ints(rows["last_day"]),
            death=_ints(rows["death_day"]),
        )
        offsets = np.searchsorted(self.records.person, np.arange(len(people) + 1))
        person, minute, value = (self.measured[name].to_numpy() for name in ("person", "minute", "value"))
        order = np.lexsort((minute, variable, person))
        measured = Measured(person[order].astype(np.int64), variable[order], minute[order], value[order])
        persons = int(rows["persons"][0].as_py())
        histories = Histories(people, offsets, item, self.records.t)
        return Hospital(self.inputs.name, persons, histories, measured, self.filled)

    def _keep_people(self) -> None:
        self.cursor.register("omopsql_given", self.rows)
        self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_PEOPLE} AS FROM omopsql_given")
        self.cursor.unregister("omopsql_given")

    def _records(self) -> _Records:
        tables = [name for name in self.inputs.events("person_id", "start_date") if name in TABLES]
        parts = [_none(), *(self._records_of(TABLES.index(name)) for name in tables)]
        person, table, concept, day = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(person * (day.max(initial=0) + 1) + day, kind="stable")  # parts are sorted: this merges them
        return _Records(person[order], (table[order], concept[order]), day[order])

    def _records_of(self, table: int) -> tuple[Ints, Ints, Ints, Ints]:
        columns = {part: part for part in ("person_id", "concept_id", "start_date")}
        rows = self._answer("records", people=_PEOPLE_ROWS, event=self.inputs.event([TABLES[table]], columns))
        person, concept, day = (_ints(rows[name]) for name in ("person", "concept_id", "day"))
        return person, np.full_like(person, table), concept, day

    def _filled(self) -> dict[str, Filled]:
        known = tables(VERSIONS[-1])
        return {
            name: self._filled_table(name, [column for column in known[name] if self.inputs.has(name, column)])
            for name in known
            if self.inputs.has(name, "person_id")
        }

    def _filled_table(self, name: str, columns: list[str]) -> Filled:
        selected = ", ".join(map(identifier, columns))
        source = f"SELECT {selected} FROM {self.inputs.rows(name)}"
        rows = self._answer("present", people=_PEOPLE_ROWS, source=source)
        group = _ints(rows["group_number"])
        counts = [np.zeros(GROUPS, np.int64) for _ in rows.column_names[1:]]
        for count, column in zip(counts, rows.columns[1:], strict=True):
            count[group] = _ints(column)
        others = [column for column in columns if column != "person_id"]
        return Filled(counts[0], dict(zip(others, counts[1:], strict=True)))

    def _answer(self, name: str, **given: str) -> pa.Table:
        """Run a story on the CDM's tables and those that are given."""
        return self.cursor.sql(self.inputs.bind(story(name), given)).to_arrow_table().combine_chunks()


def _ints(column: pa.ChunkedArray) -> Ints:
    return column.to_numpy().astype(np.int64)


def _none() -> tuple[Ints, Ints, Ints, Ints]:
    """No records: person, table, concept, day."""
    none = np.zeros(0, np.int64)
    return none, none, none, none
