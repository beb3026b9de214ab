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
from .lives import Events, Int32s, People, need_persons, offsets_of
from .permitted import Permitted
from .plan import ANCESTRY, PERSONS, TABLE_NUMBERS, TABLES, Items
from .sums import Sums

_DATED = {  # tables of records that cdm.roles does not list: their concept and their date
    "note": ("note_type_concept_id", "note_date"),
    "observation_period": ("period_type_concept_id", "observation_period_start_date"),
    "payer_plan_period": ("payer_concept_id", "payer_plan_period_start_date"),
}
_READS = re.compile(r"^-- reads ([\w, ]+?)(?= \(|:)", re.M)
_PEOPLE, _CONTACTS, _ITEMS, _RARE = "omopsql_people", "omopsql_contacts", "omopsql_items", "omopsql_rare"


class Site:
    """A CDM that is read for counting. ``people`` are its persons; ``said`` tells which ones were left out, and why.

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
        policy: Policy | None = None,
    ) -> None:
        """Open the CDM, a folder or a schema. Raises OmopsqlError when it cannot be read or has too few persons."""
        self.cursor = cursor
        self.min_cell = min_cell
        self.cdm = Cdm(cursor, cdm, vocabulary=vocabulary)
        need_tables(self.cdm.tables, cdm, ["person"])
        self.version = self.cdm.version
        self.said: list[str] = []
        self.permitted = Permitted(self.version, policy.cdm if policy else OfCdm())
        if policy is not None and policy.cdm.restricts_concepts:
            self._look_up_concepts(policy)
        found = self._read_people()
        need_persons(len(found), least_persons, cdm)
        self.periods = _ints(found["periods"])
        self.people = People(
            sex=_longs(found["sex"]),
            race=_longs(found["race"]),
            ethnicity=_longs(found["ethnicity"]),
            birth=_ints(found["birth"]),
            start=_ints(found["first_day"]),
            end=_ints(found["last_day"]),
            death=_ints(found["death_day"]),
        )
        self._create(_CONTACTS, self._story("contacts", visit_occurrence=self.typed("visit_occurrence")))
        self._read: list[tuple[Items, frozenset[int], Events]] = []

    def has(self, table: str) -> bool:
        """Whether the CDM holds the table, and it may be read."""
        return table in self.cdm.tables and not self.permitted.withholds_table(table)

    def typed(self, table: str) -> str:
        """Write the SELECT of a table with all columns of its CDM version, in their types; what is absent is NULL.

        Concepts and keys are BIGINT, since sites have ones beyond 32 bits.
        """
        fields = tables(self.version).get(table, {})
        if not self.has(table):
            nulls = (f"CAST(NULL AS {_stored(field)}) AS {identifier(field.name)}" for field in fields.values())
            return f"SELECT {', '.join(nulls)} WHERE false"
        return self.permitted.rows(table, fields.values(), self.everything(table))

    def everything(self, table: str) -> str:
        """Write the SELECT of a table that the CDM holds, what may not be read included, to tell how much that is."""
        opened = self.cdm.tables[table]
        selected = (
            f"{_cast(field, opened.families.get(field.name), opened.types.get(field.name))} AS {identifier(field.name)}"
            for field in tables(self.version).get(table, {}).values()
        )
        return f"SELECT {', '.join(selected)} FROM {identifier(opened.view)}"

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
        """Every concept of every table as an item of its own: what the first round counts."""
        return Items.of(self.raw_items())

    def raw_items(self) -> Sums:
        """Count the persons with each concept of each table, and list the ancestors of the rare ones."""
        return self._raw_items

    @cached_property
    def _raw_items(self) -> Sums:
        counted = Sums()
        for name in TABLES:
            if not self.has(name) or name not in _records_of(self.version):
                continue
            self._use(None, name)
            query = f"SELECT concept_id, count(DISTINCT person) AS n FROM ({self._records(name)}) GROUP BY concept_id"
            found = self._query(query)
            if len(found):
                concept, n, number = _longs(found["concept_id"]), _longs(found["n"]), TABLE_NUMBERS[name]
                counted.put(PERSONS, np.column_stack([np.full_like(concept, number), concept]), n)
                self._put_ancestry(counted, number, concept[n < self.min_cell])
        return counted

    def _put_ancestry(self, counted: Sums, number: int, rare: np.ndarray) -> None:
        if not len(rare) or not (self.has("concept") and self.has("concept_ancestor")):
            return
        self._register(_RARE, pa.table({"concept_id": rare}))
        vocabulary = self._all("concept", "concept_ancestor")
        ancestry = self._story("ancestry", rare=f"FROM {_RARE}", **vocabulary)
        found = self._query(f"{self.permitted.ancestors(TABLES[number], ancestry)} ORDER BY ALL")
        keys = [_longs(column) for column in found.columns]
        counted.put(ANCESTRY, np.column_stack([np.full(len(found), number), *keys]), np.zeros(len(found), np.int64))

    def rows(self, table: str, items: Items | None = None) -> pa.Table:
        """Return the records of a table with all its columns, by person, contact day and item.

        Before the columns of the CDM stand ``person`` (index into ``people``), ``item`` (-1: none; concepts are not
        looked up without ``items``), ``contact`` (the visit's ordinal in the person, -1: none), ``day`` (of the
        contact), ``own_day`` (of the record itself) and ``concept_id``, the record's main concept.
        """
        self._use(items, table)
        order = "person, day, item, concept_id, own_day"
        return self._query(f"SELECT * FROM ({self._records(table)}) ORDER BY {order}")

    def events(self, items: Items, without: Collection[int] = ()) -> Events:
        """Return one event for each person, contact day and item. Items in ``without`` are passed over."""
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
        self._use(items, table)
        read = self._query(f"SELECT person, day, item FROM ({self._records(table)}) ORDER BY person, day, item")
        person, day, item = (_ints(read[column]) for column in ("person", "day", "item"))
        begins = np.ones(len(person), bool)
        begins[1:] = (person[1:] != person[:-1]) | (day[1:] != day[:-1]) | (item[1:] != item[:-1])
        row = np.flatnonzero(begins & (item >= 0))
        return person[row], day[row], item[row], row

    def _records(self, table: str) -> str:
        """The SELECT of a table's records with their contacts; it reads the items that are in use."""
        return self._story("records", source=_source(table, self.version, self.typed(table)))

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

    def _record_span(self) -> str:
        """The first and last record of each person without an observation period."""
        dated = [
            f"SELECT person_id, own_date FROM ({_source(name, self.version, self.typed(name))})"
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


def _source(table: str, version: str, typed: str) -> str:
    """Write the SELECT of a table's records as ``records.sql`` reads them."""
    concept, date = _records_of(version)[table]
    fields = tables(version)[table]
    visit = "visit_occurrence_id" if "visit_occurrence_id" in fields else "CAST(NULL AS BIGINT)"
    return (
        f"SELECT person_id, coalesce({identifier(concept)}, 0) AS concept_id, {identifier(date)} AS own_date, "
        f"{visit} AS visit_id, * EXCLUDE (person_id) FROM ({typed})"
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


def _longs(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype(np.int64)


def _ints(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype(np.int32)


def _order(person: np.ndarray, day: np.ndarray, item: np.ndarray, items: int) -> np.ndarray:
    """Sort by person, day and item: by one number of 64 bits, which a person, a day and an item fit in."""
    days = np.int64(day.max(initial=0)) + 1
    packed = (person.astype(np.int64) * days + day) * items + item
    return np.argsort(packed, kind="stable")
