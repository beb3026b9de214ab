"""The tables that a story reads, bound to those of a CDM.

A story may read any table of the CDM by its own name. It may read ``event``: all event tables one below the other, with
their columns named by the part that they play. And it may read ``coded``: every field that holds a concept for a source
value, one below the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import VERSIONS, Field, roles, storage_type, table, tables
from omopsql.harmonize.cdm_source import cdm_relations
from omopsql.harmonize.vocabulary import open_vocabulary
from omopsql.quality.stories import Reads, Story
from omopsql.quoting import identifier, literal
from omopsql.relation import describe

EVENT, CODED = "event", "coded"
_LATEST = VERSIONS[-1]
_WHOLE_NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)")
_NAMES = {"cdm_table": "VARCHAR", "cdm_field": "VARCHAR", "is_event": "BOOLEAN"}  # columns that no table has


@dataclass(frozen=True)
class Source:
    """A table of one CDM, or of its vocabulary: what stands after FROM, and its columns in lower case with types."""

    sql: str
    types: dict[str, str]


@dataclass(frozen=True)
class Coded:
    """A field that holds concepts, and the fields of its source value, source concept and record type."""

    cdm_table: str
    concept_id: str
    source_value: str
    source_concept_id: str | None
    type_concept_id: str | None
    start_date: str | None


@cache
def event_tables() -> dict[str, dict[str, str]]:
    """Return the columns of each event table by the part that they play. A part that a table lacks is left out."""
    found = {}
    for name, parts in roles(_LATEST).items():
        columns = {
            "concept_id": parts.concept_field,
            "source_value": parts.source_value_field,
            "source_concept_id": parts.source_concept_field,
            "type_concept_id": parts.type_field,
            "start_date": parts.start_date_field,
            "start_datetime": parts.start_datetime_field,
        }
        found[name] = {"person_id": "person_id", **{part: name for part, name in columns.items() if name}}
    return found


@cache
def coded_fields() -> tuple[Coded, ...]:
    """Return every pair of a concept and its source value: condition_concept_id of condition_source_value."""
    events = event_tables()
    found = []
    for name, fields in tables(_LATEST).items():
        parts = events.get(name, {})
        for column in fields:
            stem = column.removesuffix("_source_value")
            concept, source_concept = f"{stem}_concept_id", f"{stem}_source_concept_id"
            if stem != column and concept in fields and "person_id" in fields:
                source = source_concept if source_concept in fields else None
                type_column = parts.get("type_concept_id")
                found.append(Coded(name, concept, column, source, type_column, parts.get("start_date")))
    return tuple(found)


class Inputs:
    """The tables of one CDM, as inputs of stories."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, cdm: str, vocabulary: str | None = None) -> None:
        """Open ``cdm``, a folder or a schema, and the vocabulary's folder. Raises OmopsqlError when it is none."""
        self.name = cdm
        self._sources = {
            name: Source(relation.sql, {column.lower(): kind for column, kind in relation.columns.items()})
            for name, relation in cdm_relations(cursor, cdm).items()
        }
        if vocabulary is not None:
            relation = describe(cursor, vocabulary, open_vocabulary(cursor, vocabulary).relation("concept"))
            types = {column.lower(): kind for column, kind in relation.columns.items()}
            self._sources["concept"] = Source(relation.sql, types)

    def need(self, name: str, *columns: str) -> None:
        """Raise OmopsqlError when the CDM lacks a table, or the table a column."""
        if name not in self._sources:
            raise OmopsqlError(f"{self.name} has no table {name}; it has {', '.join(sorted(self._sources))}")
        types = self._sources[name].types
        for column in columns:
            if column not in types:
                raise OmopsqlError(f"{self.name}: table {name} has no column {column}; it has {', '.join(types)}")

    def has(self, name: str, *columns: str) -> bool:
        """Whether the CDM has a table with these columns."""
        return name in self._sources and all(column in self._sources[name].types for column in columns)

    def columns(self, name: str) -> dict[str, str]:
        """Return the columns of a table of the CDM, with their DuckDB types."""
        return self._sources[name].types

    def rows(self, name: str) -> str:
        """Return what stands after FROM for a table of the CDM."""
        return self._sources[name].sql

    def events(self, *parts: str) -> list[str]:
        """Return the event tables of the CDM that have columns for these parts."""
        return [
            name
            for name, columns in event_tables().items()
            if all(part in columns and self.has(name, columns[part]) for part in parts)
        ]

    def event(self, names: Iterable[str], columns: Mapping[str, str]) -> str:
        """Select from event tables, one below the other, columns by the parts they play: {"concept_id": part}."""
        selects = (
            self._selected(name, ((event_tables()[name].get(part), column) for column, part in columns.items()))
            for name in names
        )
        return " UNION ALL ".join(selects) or _none({column: _part_type(column) for column in columns})

    def bind(self, told: Story, given: Mapping[str, str] = MappingProxyType({})) -> str:
        """Write a story after a WITH that gives it what it reads.

        ``given`` are SELECTs of tables that are not the CDM's, such as settings. Tables of the CDM that are absent, or
        lack a required column, have no rows.
        """
        selects = {reads.table: given.get(reads.table) or self._select(reads) for reads in told.reads}
        with_tables = ", ".join(f"{identifier(name)} AS NOT MATERIALIZED ({sql})" for name, sql in selects.items())
        return f"WITH {with_tables} FROM ({told.sql}\n)"

    def _select(self, reads: Reads) -> str:
        if reads.table == EVENT:
            needed = [part for part in reads.required if part not in _NAMES]
            return self.event(self.events(*needed), {part: part for part in reads.columns})
        if reads.table == CODED:
            return self._coded(reads)
        if not self.has(reads.table, *reads.required):
            return _none({column: _type(table(_LATEST, reads.table)[column]) for column in reads.columns})
        return self._selected(reads.table, ((column, column) for column in reads.columns))

    def _coded(self, reads: Reads) -> str:
        selects = []
        for field in coded_fields():
            if self.has(field.cdm_table, field.concept_id, field.source_value, "person_id"):
                parts = {**vars(field), "person_id": "person_id"}
                columns = ((parts.get(column), column) for column in reads.columns)
                is_event = field.concept_id == event_tables().get(field.cdm_table, {}).get("concept_id")
                constants = {"cdm_field": literal(field.concept_id), "is_event": str(is_event).lower()}
                selects.append(self._selected(field.cdm_table, columns, constants))
        return " UNION ALL ".join(selects) or _none({column: _part_type(column) for column in reads.columns})

    def _selected(
        self, owner: str, columns: Iterable[tuple[str | None, str]], constants: Mapping[str, str] = MappingProxyType({})
    ) -> str:
        """Select columns of a table under names; cdm_table and the constants are names of their own."""
        constants = {"cdm_table": literal(owner), **constants}
        selected = ", ".join(
            f"{constants[name]} AS {identifier(name)}" if name in constants else self._named(owner, column, name)
            for column, name in columns
        )
        return f"SELECT {selected} FROM {self._sources[owner].sql}"

    def typed(self, owner: str, column: str) -> str:
        """Return a column that the table has, in the type that the CDM declares."""
        return _cast(identifier(column), self._sources[owner].types[column], _type(table(_LATEST, owner)[column]))

    def _named(self, owner: str, column: str | None, name: str) -> str:
        """Select a column under a name, in the type that the CDM declares. NULL where it is absent."""
        types = self._sources[owner].types
        if column is None or column not in types:
            return f"CAST(NULL AS {_part_type(name)}) AS {identifier(name)}"
        return f"{self.typed(owner, column)} AS {identifier(name)}"


def _none(types: dict[str, str]) -> str:
    nulls = (f"CAST(NULL AS {kind}) AS {identifier(name)}" for name, kind in types.items())
    return f"SELECT {', '.join(nulls)} WHERE false"


@cache
def _part_type(part: str) -> str:
    """The type of a part of an event, from the first table that has it; else of a column of that name."""
    if part in _NAMES:
        return _NAMES[part]
    fields = tables(_LATEST)
    for name, columns in event_tables().items():
        if part in columns:
            return _type(fields[name][columns[part]])
    return next(_type(of_table[part]) for of_table in fields.values() if part in of_table)


def _type(field: Field) -> str:
    """The type that a story meets: numbers as wide as can be."""
    return {"INTEGER": "BIGINT", "NUMERIC": "DOUBLE", "FLOAT": "DOUBLE"}.get(storage_type(field), storage_type(field))


def _cast(column: str, found: str, wanted: str) -> str:
    """Read a column in the wanted type; what cannot be read so is NULL."""
    if found == wanted or (wanted == "BIGINT" and _WHOLE_NUMBER.fullmatch(found)):
        return column
    if wanted in ("DATE", "TIMESTAMP") and _WHOLE_NUMBER.fullmatch(found):  # 20261231
        return f"CAST(try_strptime(CAST({column} AS VARCHAR), '%Y%m%d') AS {wanted})"
    if wanted == "VARCHAR":
        return f"CAST({column} AS VARCHAR)"
    return f"TRY_CAST({column} AS {wanted})"
