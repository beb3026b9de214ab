"""The tables that a story reads, bound to those of a CDM: names as in CDM 5.4, types as the CDM has them.

Besides the CDM's tables a story may read ``event``, which is any event table with its columns named by the part that
they play (``events.csv``), and ``observed_event``, the same with whether a record is inside an observation period.
"""

from __future__ import annotations

import re
from functools import cache

import duckdb

from omopsql.harmonize.cdm import storage_type, table
from omopsql.harmonize.cdm_source import cdm_relations
from omopsql.quality.stories import Reads, Story
from omopsql.quoting import identifier, literal

from .analyses import every_analysis
from .stories import rows, story

_EVENT = "event"
_OBSERVED = "observed_event"
_NAME = "cdm_table"  # the part that the event table's own name plays
_BOUND_ELSEWHERE = ("tally", "analysis", "settings")

# Columns of CDM 5.3 that have another name in 5.4.
_OLDER_NAMES = {
    "admitted_from_concept_id": "admitting_source_concept_id",
    "admitted_from_source_value": "admitting_source_value",
    "discharged_to_concept_id": "discharge_to_concept_id",
    "discharged_to_source_value": "discharge_to_source_value",
}

# Types of a file that serve where the CDM asks for another one: a wider number, say.
_WHOLE_NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)")
_SERVES = {
    "INTEGER": _WHOLE_NUMBER,
    "BIGINT": _WHOLE_NUMBER,
    "VARCHAR": re.compile("VARCHAR"),
    "DATE": re.compile("DATE"),
}
_WIDEST = {"INTEGER": "BIGINT"}


@cache
def _roles() -> dict[str, dict[str, str]]:
    """For each event table, the columns that have a part under another name."""
    own = "cdm_table"
    return {row[own]: {role: name for role, name in row.items() if role != own} for row in rows("events.csv")}


@cache
def _role_type(role: str) -> str:
    """The type of a part, from the first event table that has it."""
    named = ((event, columns.get(role) or role) for event, columns in _roles().items())
    return next(_wanted(event, column) for event, column in named if column in table("5.4", event))


@cache
def _every_column() -> frozenset[str]:
    """Every name under which some story reads a column."""
    reads = [reads for name in {analysis.story for analysis in every_analysis()} for reads in story(name).reads]
    roles = [column for columns in _roles().values() for column in columns.values()]
    return frozenset([*(column for read in reads for column in read.columns), *roles, *_OLDER_NAMES.values()])


class Inputs:
    """The tables of one CDM, as inputs of stories."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, cdm: str) -> None:
        """Open ``cdm``, a folder or a schema. Raises OmopsqlError when it is none."""
        self._cursor = cursor
        self._relations = cdm_relations(cursor, cdm)
        self._copies: dict[str, str] = {}
        self._types = {
            name: {column.lower(): kind for column, kind in relation.columns.items()}
            for name, relation in self._relations.items()
        }

    def has(self, needed: str, event: str | None) -> bool:
        """Whether the CDM has a column, told as ``table.column``; ``event.column`` is one of the event table."""
        owner, _, column = needed.partition(".")
        if owner == _EVENT:
            return event is not None and self._event_column(event, column) is not None
        return self._column(owner, column) is not None

    def answers(self, told: Story, event: str | None) -> bool:
        """Whether every table and column is there without which a story has no answer."""
        return all(
            self.has(f"{_EVENT if reads.table == _OBSERVED else reads.table}.{column}", event)
            for reads in _bound_here(told)
            if not reads.is_optional
            for column in reads.required
        )

    def bound(self, told: Story, event: str | None) -> dict[str, str]:
        """Return a SELECT for each table that a story reads, in the order in which they build on each other."""
        selects: dict[str, str] = {}
        for reads in _bound_here(told):
            if reads.table == _OBSERVED:
                selects |= self._observed(reads, str(event))
            elif reads.table == _EVENT:
                selects[_EVENT] = self._event(reads.columns, str(event))
            else:
                selects[reads.table] = self._table(reads)
        return selects

    def _observed(self, reads: Reads, event: str) -> dict[str, str]:
        observed = story(_OBSERVED)
        own, *others = observed.reads
        columns = dict.fromkeys((*own.columns, *reads.columns))
        return {
            _EVENT: self._event(tuple(columns), event),
            **{other.table: self._table(other) for other in others},
            _OBSERVED: observed.sql,
        }

    def _event(self, roles: tuple[str, ...], event: str) -> str:
        selected = []
        for role in roles:
            column = self._event_column(event, role)
            if role == _NAME:
                value = literal(event)
            else:
                value = f"CAST(NULL AS {_role_type(role)})" if column is None else self._typed(event, column)
            selected.append(f"{value} AS {identifier(role)}")
        return f"SELECT {', '.join(selected)} FROM {self._rows(event)}"

    def _event_column(self, event: str, role: str) -> str | None:
        """The column that plays a part in an event table, as the CDM names it; None where there is none."""
        named = _roles()[event].get(role, role)
        return event if role == _NAME and event in self._types else self._column(event, named)

    def _column(self, owner: str, column: str) -> str | None:
        types = self._types.get(owner, {})
        return next((name for name in (column, _OLDER_NAMES.get(column)) if name in types), None)

    def _table(self, reads: Reads) -> str:
        """Select a table's columns. One that is not there, or lacks a column that it must have, has no rows."""
        columns = {name: self._column(reads.table, name) for name in reads.columns}
        if reads.table not in self._relations or any(columns[name] is None for name in reads.required):
            nulls = (f"{_null(reads.table, name)} AS {identifier(name)}" for name in reads.columns)
            return f"SELECT {', '.join(nulls)} WHERE false"
        selected = (
            f"{self._typed(reads.table, column) if column else _null(reads.table, name)} AS {identifier(name)}"
            for name, column in columns.items()
        )
        return f"SELECT {', '.join(selected)} FROM {self._rows(reads.table)}"

    def _rows(self, owner: str) -> str:
        """What stands after FROM. A CSV file is read once, into a temporary table: every story would parse it again."""
        if "read_csv(" not in self._relations[owner].sql:
            return self._relations[owner].sql
        if owner not in self._copies:
            copy = identifier(f"omopsql_characterize_{owner}")
            columns = ", ".join(identifier(name) for name in self._types[owner] if name in _every_column())
            self._cursor.execute(
                f"CREATE OR REPLACE TEMP TABLE {copy} AS SELECT {columns} FROM {self._relations[owner].sql}"
            )
            self._copies[owner] = copy
        return self._copies[owner]

    def _typed(self, owner: str, column: str) -> str:
        found, wanted = self._types[owner][column], _wanted(owner, column)
        name = identifier(column)
        if wanted in _SERVES and _SERVES[wanted].fullmatch(found):
            return name
        if wanted == "DATE" and _WHOLE_NUMBER.fullmatch(found):  # 20261231
            return f"CAST(strptime(CAST({name} AS VARCHAR), '%Y%m%d') AS DATE)"
        return f"CAST({name} AS {_WIDEST.get(wanted, wanted)})"


def _bound_here(told: Story) -> list[Reads]:
    return [reads for reads in told.reads if reads.table not in _BOUND_ELSEWHERE]


def _null(owner: str, column: str) -> str:
    return f"CAST(NULL AS {_wanted(owner, column)})"


def _wanted(owner: str, column: str) -> str:
    """The type that the CDM declares: that of version 5.4, else of 5.3."""
    for version in ("5.4", "5.3"):
        field = table(version, owner).get(column)
        if field is not None:
            return storage_type(field)
    return "VARCHAR"
