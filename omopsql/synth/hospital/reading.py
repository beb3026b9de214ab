"""A CDM as arrays: its people and their events, read by SQL, sorted, and without any identifier."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache, cached_property

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.harmonize.cdm import VOCABULARY_TABLES, Field, roles, storage_type, tables
from omopsql.harmonize.cdm_source import need_tables
from omopsql.publish.policy.rules import Concept, OfCdm, Policy
from omopsql.quality.opened import Cdm, Family
from omopsql.quoting import identifier
from omopsql.sql_files import sql_folder

from . import permitted
from .lives import Events, Int32s, Int64s, People, Periods, need_persons, offsets_of
from .noise.bounded import COUNTED, Bounded
from .permitted import Permitted
from .plan import ANCESTRY, ANY_RARE, CODES, PERSONS, TABLE_NUMBERS, TABLES, VALUED, WITHIN, Items
from .sums import Sums

_DATED = {  # tables of records that cdm.roles does not list: their concept and their date
    "note": ("note_type_concept_id", "note_date"),
    "observation_period": ("period_type_concept_id", "observation_period_start_date"),
    "payer_plan_period": ("payer_concept_id", "payer_plan_period_start_date"),
}
_CODED = TABLES[: TABLE_NUMBERS["specimen"] + 1]  # tables whose unmapped records go by their source's code
_TOLD_OF_NAMES = {  # of records.sql and names.sql, by statistic
    PERSONS: ("name_id",),
    WITHIN: ("name_id", "wider_id"),
    CODES: ("name_id", "code"),
    VALUED: ("name_id", "concept_id", "value"),
}
_FARTHEST = 100  # levels from a concept to the symbol of its records: any ancestor is nearer
_READS = re.compile(r"^-- reads ([\w, ]+?)(?= \(|:)", re.M)
_PEOPLE, _CONTACTS, _ITEMS = "omopsql_people", "omopsql_contacts", "omopsql_items"
_NAMES, _RARE = "omopsql_names", "omopsql_rare"


class Site:
    """A CDM that is read for counting. ``people`` are its persons, ``observed`` when; ``said`` tells who was left out.

    It reads through temporary tables of ``cursor``. A table or column that the CDM lacks is empty, and so is one that
    the ``policy`` denies: whatever reads a table asks ``typed`` for it.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        cdm: str,
        min_cell: int = 1,
        vocabulary: str | None = None,
        least_persons: int = 1,
        keeps_rare: bool = True,
        policy: Policy | None = None,
        most_concepts: int | None = None,
    ) -> None:
        """Open the CDM, a folder or a schema. Raises OmopsqlError when it cannot be read or has too few persons.

        With ``most_concepts``, so many concepts of each person are read at most, and neither unmapped records nor
        details of visits: what a person adds to a sum is then bounded.

        Without ``keeps_rare``, a code or value that fewer than ``min_cell`` persons have is counted by its wider names
        alone: enough for a site alone, whose sums of it would not be released.
        """
        self.cursor = cursor
        self.min_cell = min_cell
        self._least_named = 1 if keeps_rare else min_cell
        self.cdm = Cdm(cursor, cdm, vocabulary=vocabulary)
        need_tables(self.cdm.tables, cdm, ["person"])
        self.version = self.cdm.version
        self.said: list[str] = []
        self._bounded = Bounded(self.version, None, self._concept_of)
        self.permitted = Permitted(self.version, policy.cdm if policy else OfCdm())
        if policy is not None and policy.cdm.restricts_concepts:
            self._look_up_concepts(policy)
        if most_concepts is not None:
            self._bound(most_concepts)
        found = self._read_people()
        need_persons(len(found), least_persons, cdm)
        self.periods = _ints(found["periods"])
        self.people = People(
            sex=longs(found["sex"]),
            race=longs(found["race"]),
            ethnicity=longs(found["ethnicity"]),
            birth=_ints(found["birth"]),
            start=_ints(found["first_day"]),
            end=_ints(found["last_day"]),
            death=_ints(found["death_day"]),
        )
        self.observed = self._read_periods()
        self._create(_CONTACTS, self._story("contacts", visit_occurrence=self.typed("visit_occurrence")))
        self._read: list[tuple[Items, frozenset[int], Events]] = []

    def has(self, table: str) -> bool:
        """Whether the CDM holds the table, its version knows it, and it may be read."""
        withheld = self.permitted.withholds_table(table) or self._bounded.withholds_table(table)
        return table in self.cdm.tables and table in tables(self.version) and not withheld

    def typed(self, table: str) -> str:
        """Write the SELECT of a table with all columns of its CDM version, in their types; what is absent is NULL.

        Concepts and keys are BIGINT, since sites have ones beyond 32 bits.
        """
        fields = tables(self.version).get(table, {})
        if not self.has(table):
            nulls = (f"CAST(NULL AS {_stored(field)}) AS {identifier(field.name)}" for field in fields.values())
            return f"SELECT {', '.join(nulls)} WHERE false"
        return self._bounded.rows(table, self.permitted.rows(table, fields.values(), self.everything(table)))

    def everything(self, table: str) -> str:
        """Write the SELECT of a table that the CDM holds, what may not be read included, to tell how much that is."""
        opened = self.cdm.tables[table]
        selected = (
            f"{_cast(field, opened.families.get(field.name), opened.types.get(field.name))} AS {identifier(field.name)}"
            for field in tables(self.version).get(table, {}).values()
        )
        return f"SELECT {', '.join(selected)} FROM {identifier(opened.view)}"

    def _bound(self, most_concepts: int) -> None:
        """Choose which concepts of each person are counted."""
        bounded = Bounded(self.version, most_concepts, self._concept_of)
        held = bounded.held((name, self.typed(name)) for name in TABLES if self.has(name))
        self._create(COUNTED, self._story("counted_concepts", held=held, limits=bounded.limits()))
        self._bounded = bounded

    def _concept_of(self, table: str) -> str | None:
        return _records_of(self.version).get(table, (None, None))[0]

    def _sourced(self, table: str) -> str:
        """The SELECT of a table's records as ``records.sql`` reads them."""
        return _source(table, self.version, self.typed(table), self._bounded.most_concepts is not None)

    def _look_up_concepts(self, policy: Policy) -> None:
        """Find the concepts that a policy means, and the codes that tell of those it denies."""
        if not self.has("concept_ancestor"):
            permitted.need_vocabulary(policy.cdm, policy.name, self.cdm.name)
        self._look_up(permitted.DENIED, policy.cdm.denied_concepts)
        self._look_up(permitted.ADMITTED, policy.cdm.admitted_concepts or ())
        told = {permitted.CODES: self.permitted.codes, permitted.SOURCES: self.permitted.sources}
        for name, selects in told.items():
            found = [one for table in self._declared() for one in selects(*table)]
            self._create(name, " UNION ".join(found) or "SELECT NULL WHERE false")

    def _declared(self) -> Iterator[tuple[str, Collection[Field], str]]:
        """The tables that the CDM holds, the vocabulary's excepted: name, fields, and the SELECT of everything."""
        known = tables(self.version)
        for name in self.cdm.tables:
            if name in known and name not in VOCABULARY_TABLES:
                yield name, known[name].values(), self.everything(name)

    def _look_up(self, name: str, concepts: tuple[Concept, ...]) -> None:
        self._register(permitted.LISTED, permitted.listed(concepts))
        vocabulary = self._all("concept_ancestor", "concept_relationship")
        self._create(name, self._story("listed_concepts", listed=f"FROM {permitted.LISTED}", **vocabulary))

    @cached_property
    def own_items(self) -> Items:
        """Every concept and name of every table as an item of its own: what the first round counts."""
        raw = self.raw_items()
        keys, n = raw.get(PERSONS, 2)
        of_rare_codes = raw.get(CODES, 2)[0][np.array(raw.labels(CODES), object) == ANY_RARE, 1]
        kept = (keys[:, 1] >= 0) | (n >= self._least_named) | np.isin(keys[:, 1], of_rare_codes)
        named = Sums()
        named.put(PERSONS, keys[kept], n[kept])
        return Items.of(named)

    def raw_items(self) -> Sums:
        """Count the persons with each concept or code of each table, and list what the rare ones may count as."""
        return self._raw_items

    @cached_property
    def _raw_items(self) -> Sums:
        counted = Sums()
        for name in TABLES:
            if not self.has(name) or name not in _records_of(self.version):
                continue
            self._use(None, name)
            self._register(_NAMES, self._query(self._story("names", record=self._records(name))))
            number = TABLE_NUMBERS[name]
            for statistic, told in _TOLD_OF_NAMES.items():
                self._put_names(counted, statistic, number, told)
            keys, n = counted.get(PERSONS, 2)
            is_rare = (keys[:, 0] == number) & (keys[:, 1] > 0) & (n < self.min_cell)
            self._put_ancestry(counted, name, keys[is_rare, 1])
        return counted

    def _put_names(self, counted: Sums, statistic: str, number: int, told: tuple[str, ...]) -> None:
        """Count the persons by what is told of the names of a table's records."""
        columns = ", ".join(told)
        is_told = f"{told[-1]} IS NOT NULL"
        found = self._query(
            f"SELECT {columns}, count(DISTINCT person) AS n FROM {_NAMES} WHERE {is_told} GROUP BY {columns}"
        )
        numbers = [longs(found[name]) for name in told if name != "code"]
        labels = found["code"] if "code" in told else None
        counted.put(statistic, np.column_stack([np.full(len(found), number), *numbers]), longs(found["n"]), labels)

    def _put_ancestry(self, counted: Sums, table: str, rare: np.ndarray) -> None:
        """List the ancestors of rare concepts, and the symbols that lead the source's codes of their records."""
        if not len(rare):
            return
        self._register(_RARE, pa.table({"concept_id": rare}))
        parts = [self._symbols_of_rare(table)] if table in _CODED else []
        if self.has("concept") and self.has("concept_ancestor"):
            vocabulary = self._all("concept", "concept_ancestor")
            ancestry = self._story("ancestry", rare=f"FROM {_RARE}", **vocabulary)
            parts.append(self._query(f"{self.permitted.ancestors(table, ancestry)} ORDER BY ALL"))
        for found in parts:
            keys = [longs(column) for column in found.columns]
            number = np.full(len(found), TABLE_NUMBERS[table])
            counted.put(ANCESTRY, np.column_stack([number, *keys]), np.zeros(len(found), np.int64))

    def _symbols_of_rare(self, table: str) -> pa.Table:
        """The symbols that rare concepts would go by if they were unmapped."""
        unmapped = self._story("unmapped", source=self._sourced(table), rare=f"FROM {_RARE}")
        return self._query(
            f"SELECT DISTINCT rare_concept_id, wider_id, {_FARTHEST} AS levels "
            f"FROM ({self._story('records', source=unmapped)}) WHERE wider_id IS NOT NULL ORDER BY ALL"
        )

    def rows(self, table: str, items: Items | None = None) -> pa.Table:
        """Return the records of a table with all its columns, by person, contact day and item.

        Before the columns of the CDM stand ``person`` (index into ``people``), ``item`` (-1: none; concepts are not
        looked up without ``items``), ``contact`` (the visit's ordinal in the person, -1: none), ``day`` (of the
        contact), ``own_day`` (of the record itself) and ``concept_id``, the record's main concept. An unmapped record
        has the name of its source's code there, below 0. ``name_id`` is the name that the record goes by, which its
        value may be part of; ``wider_id`` and ``widest_id`` are what a rare name counts as.
        """
        self._use(items, table)
        order = "person, day, item, concept_id, own_day"
        without = "EXCLUDE (mapped_id, value, code, symbol, wider_item, widest_item)"
        return self._query(f"SELECT * {without} FROM ({self._records(table)}) ORDER BY {order}")

    def keyed(self, table: str, items: Items) -> pa.Table:
        """Return the records of a table that are items: ``person``, ``item``, ``own_day`` and the source's ``key``."""
        self._use(items, table)
        key = f"{identifier(f'{table}_id')} AS key"
        return self._query(f"SELECT person, item, own_day, {key} FROM ({self._records(table)}) WHERE item >= 0")

    def plain(self, table: str) -> pa.Table:
        """Return a table as it stands, with all columns of its CDM version."""
        return self._query(self.typed(table))

    def named(self, concepts: np.ndarray, names: Collection[str]) -> list[tuple[int, str]]:
        """Look up which of some concepts have one of these names, in lower case; none without a vocabulary."""
        if not self.has("concept"):
            return []
        sql = f"SELECT concept_id, lower(concept_name) AS name FROM ({self.typed('concept')})"
        wanted = "list_contains($1::BIGINT[], concept_id) AND list_contains($2::VARCHAR[], name)"
        return self.cursor.execute(f"FROM ({sql}) WHERE {wanted}", [concepts.tolist(), list(names)]).fetchall()

    def events(self, items: Items, without: Collection[int] = ()) -> Events:
        """Return one event for each person, contact day and item. Items in ``without`` are passed over.

        Of ``own_items``, an unmapped record is an event of each name that it goes by.
        """
        passed_over = frozenset(without)
        for known, known_without, events in self._read:
            if known is items and known_without == passed_over:
                return events
        self._read.append((items, passed_over, self._read_events(items, passed_over)))
        return self._read[-1][-1]

    def _read_events(self, items: Items, without: frozenset[int]) -> Events:
        parts = [part for name in TABLES if self.has(name) for part in [self._folded(name, items)] if len(part[0])]
        person, day, item, row = (
            np.concatenate(columns) if columns else np.zeros(0, np.int64)
            for columns in (zip(*parts, strict=True) if parts else [()] * 4)
        )
        if without:
            kept = ~np.isin(item, list(without))
            person, day, item, row = person[kept], day[kept], item[kept], row[kept]
        order = _order(person, day, item, max(len(items), 1))
        return Events(
            offsets=offsets_of(person[order], len(self.people)),
            item=item[order].astype(np.int32),
            day=day[order].astype(np.int32),
            row=row[order].astype(np.int64),
            episode=np.zeros(0, np.int32),
        )

    def _folded(self, table: str, items: Items) -> tuple[Int32s, Int32s, Int32s, np.ndarray]:
        """The records of one table as events: duplicates of a person, contact day and item are one."""
        if table not in _records_of(self.version):
            return (np.zeros(0, np.int32),) * 4
        is_own = items is self.own_items  # asked first, for own items are counted by other items in use
        self._use(items, table)
        names = ["item", "wider_item", "widest_item"] if is_own and table in _CODED else ["item"]
        read = self._query(
            f"SELECT person, day, {', '.join(names)} FROM ({self._records(table)}) ORDER BY person, day, item"
        )
        item = np.concatenate([_ints(read[name]) for name in names])
        person, day = (np.tile(_ints(read[column]), len(names)) for column in ("person", "day"))
        person, day, item, row = _single(person, day, item)
        return person, day, item, row % max(len(read), 1)

    def _records(self, table: str) -> str:
        """The SELECT of a table's records with their contacts; it reads the items that are in use."""
        return self._story("records", source=self._sourced(table))

    def _use(self, items: Items | None, table: str) -> None:
        concept, item = (
            items.concepts_of(table)
            if items is not None and table in TABLE_NUMBERS
            else (np.zeros(0, np.int64), np.zeros(0, np.int32))
        )
        self._register(_ITEMS, pa.table({"concept_id": concept, "item": item.astype(np.int32)}))

    def _read_people(self) -> pa.Table:
        known_by = self._all("person", "observation_period", "death")
        found = self._query(self._story("people", record_span=self._record_span(), **known_by))
        told = {
            "without a date of birth": pc.is_null(found["birth"]),
            "without an observation period or a record": pc.and_(
                pc.is_valid(found["birth"]), pc.is_null(found["first_day"])
            ),
        }
        for why, lost in told.items():
            n = pc.sum(lost).as_py() or 0
            if n:
                self.said.append(
                    f"{self.cdm.name}: {n} person{'s' * (n > 1)} {why} {'are' if n > 1 else 'is'} left out"
                )
        known = found.filter(pc.and_(pc.is_valid(found["birth"]), pc.is_valid(found["first_day"])))
        known = known.append_column("person", pa.array(np.arange(len(known), dtype=np.int32)))
        kept = known.select(["person_id", "person", "birth", "first_day", "last_day", "death_day"])
        self._register(_PEOPLE, kept)
        return known.drop_columns(["person_id"])

    def _read_periods(self) -> Periods:
        """The observation periods of the people; the last one reaches to the last day that is known."""
        read = self._query(self._story("periods", **self._all("observation_period")))
        offsets = offsets_of(_ints(read["person"]), len(self.people))
        start, end = _ints(read["first_day"]), _ints(read["last_day"])
        end[offsets[1:] - 1] = self.people.end
        return Periods(offsets, start, end)

    def _record_span(self) -> str:
        """The first and last record of each person without an observation period."""
        dated = [
            f"SELECT person_id, own_date FROM ({self._sourced(name)})"
            for name in TABLES
            if self.has(name) and name in _records_of(self.version)
        ]
        return self._story(
            "record_span",
            record=" UNION ALL ".join(dated)
            or "SELECT CAST(NULL AS BIGINT) AS person_id, CAST(NULL AS DATE) AS own_date",
            observation_period=self.typed("observation_period"),
        )

    def _all(self, *names: str) -> dict[str, str]:
        return {name: self.typed(name) for name in names}

    def _story(self, name: str, **reads: str) -> str:
        """Give a SQL file the relations that it says it reads: those given, or else those of this site."""
        sql = _sql(name)
        own = {"people": f"FROM {_PEOPLE}", "contacts": f"FROM {_CONTACTS}", "items": f"FROM {_ITEMS}"}
        named = [name for line in _READS.findall(sql) for name in line.split(", ")]
        inputs = [f"{identifier(name)} AS ({(own | reads)[name]})" for name in named]
        return f"WITH {', '.join(inputs)} FROM ({sql})"

    def _query(self, sql: str) -> pa.Table:
        return self.cursor.sql(sql).to_arrow_table().combine_chunks()

    def _create(self, name: str, sql: str) -> None:
        self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {sql}")

    def _register(self, name: str, rows: pa.Table) -> None:
        self.cursor.register("omopsql_given", rows)
        self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS FROM omopsql_given")
        self.cursor.unregister("omopsql_given")


@cache
def _sql(name: str) -> str:
    return sql_folder("synth").joinpath("hospital", f"{name}.sql").read_text(encoding="utf-8")


@cache
def _records_of(version: str) -> dict[str, tuple[str, str]]:
    """The main concept and the date of each table of records that the version has."""
    known = {name: (role.concept_field, role.start_date_field) for name, role in roles(version).items()}
    return known | {name: fields for name, fields in _DATED.items() if name in tables(version)}


def _source(table: str, version: str, typed: str, is_bounded: bool = False) -> str:
    """Write the SELECT of a table's records as ``records.sql`` reads them; if bounded, they go by concepts alone."""
    concept, date = _records_of(version)[table]
    fields = tables(version)[table]
    visit = "visit_occurrence_id" if "visit_occurrence_id" in fields else "CAST(NULL AS BIGINT)"
    code = identifier(roles(version)[table].source_value_field) if table in _CODED and not is_bounded else "NULL"
    value = "CASE WHEN value_as_number IS NULL THEN value_as_concept_id END"
    valued = value if "value_as_concept_id" in fields and not is_bounded else "NULL"
    return (
        f"SELECT person_id, coalesce({identifier(concept)}, 0) AS concept_id, {identifier(date)} AS own_date, "
        f"{visit} AS visit_id, CAST({code} AS VARCHAR) AS source_code, CAST({valued} AS BIGINT) AS value_id, "
        f"{TABLE_NUMBERS.get(table, -1)} AS table_number, "
        f"* EXCLUDE (person_id) FROM ({typed})"
    )


def _stored(field: Field) -> str:
    """The type that a field is read in."""
    return "BIGINT" if field.type.upper() in ("INTEGER", "BIGINT") else storage_type(field)


def _cast(field: Field, family: Family | None, found: str | None) -> str:
    """Read a column in the type of its field; what cannot be read is NULL."""
    column, wanted = identifier(field.name), _stored(field)
    if family is None:
        return f"CAST(NULL AS {wanted})"
    if found == wanted:
        return column
    if wanted in ("DATE", "TIMESTAMP") and family in (Family.INTEGER, Family.TEXT):
        as_digits = f"CAST(try_strptime(CAST({column} AS VARCHAR), '%Y%m%d') AS {wanted})"  # 20261231
        return as_digits if family is Family.INTEGER else f"coalesce(TRY_CAST({column} AS {wanted}), {as_digits})"
    return f"TRY_CAST({column} AS {wanted})"


def longs(column: pa.ChunkedArray, missing: int = 0) -> Int64s:
    """Whole numbers of a column; ``missing`` where there is none."""
    filled = pc.fill_null(column.cast(pa.int64()), missing)
    return filled.to_numpy().astype(np.int64)


def minutes_of_day(column: pa.ChunkedArray) -> Int64s:
    """The minute of the day of each time, 0 to 1439; -1 where there is none."""
    microseconds = column.cast(pa.timestamp("us")).cast(pa.int64())
    return np.where(pc.is_valid(column).to_numpy(), longs(microseconds) // _MICROSECONDS_A_MINUTE % _MINUTES_A_DAY, -1)


_MICROSECONDS_A_MINUTE, _MINUTES_A_DAY = 60_000_000, 24 * 60


def _ints(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype(np.int32)


def _single(person: Int32s, day: Int32s, item: Int32s) -> tuple[Int32s, Int32s, Int32s, np.ndarray]:
    """Sorted records as events: the first of each person, contact day and item, and its row."""
    order = _order(person, day, item, int(item.max(initial=0)) + 2)
    person, day, item = person[order], day[order], item[order]
    begins = np.ones(len(person), bool)
    begins[1:] = (person[1:] != person[:-1]) | (day[1:] != day[:-1]) | (item[1:] != item[:-1])
    first = np.flatnonzero(begins & (item >= 0))
    return person[first], day[first], item[first], order[first]


def _order(person: np.ndarray, day: np.ndarray, item: np.ndarray, items: int) -> np.ndarray:
    """Sort by person, day and item: by one number of 64 bits, which a person, a day and an item fit in."""
    days = np.int64(day.max(initial=0)) + 1
    packed = (person.astype(np.int64) * days + day) * items + item
    return np.argsort(packed, kind="stable")
