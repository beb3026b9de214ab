"""A CDM that is opened for checking: its tables as Ibis sees them, with what a check must know of their types."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir

from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import VERSIONS, VOCABULARY_TABLES, storage_type, tables
from omopsql.harmonize.cdm_source import cdm_relations
from omopsql.harmonize.current_vocabulary import folder_in_use
from omopsql.harmonize.vocabulary_files import open_files, typed_sql
from omopsql.quoting import identifier
from omopsql.relation import Relation, describe

_VIEW = "omopsql_{}"
TEXT_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_SMALL = 4 << 20  # bytes of a file
_UNREAD = frozenset(VOCABULARY_TABLES) - {  # of the vocabulary, no check reads the rest
    "concept",
    "concept_ancestor",
    "domain",
    "vocabulary",
    "drug_strength",
    "source_to_concept_map",
}


class Family(Enum):
    """What a column's values can be compared with; the value is the type under which Ibis sees them."""

    INTEGER = "int64"
    NUMBER = "float64"
    TEXT = "string"
    DATE = "date"
    DATETIME = "timestamp"
    OTHER = "binary"  # any type that is compared with nothing


_FAMILIES = (
    (Family.INTEGER, re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|DECIMAL\(\d+,\s*0\)$")),
    (Family.NUMBER, re.compile(r"FLOAT$|DOUBLE$|DECIMAL\(")),
    (Family.TEXT, re.compile(r"VARCHAR$|ENUM\(")),
    (Family.DATE, re.compile(r"DATE$")),
    (Family.DATETIME, re.compile(r"TIMESTAMP")),
)


def family(sql_type: str) -> Family:
    """Return the family of a DuckDB type."""
    return next((found for found, pattern in _FAMILIES if pattern.match(sql_type.upper())), Family.OTHER)


@dataclass(frozen=True)
class Table:
    """One table of the CDM: its columns, in lower case, with their DuckDB types and families.

    ``is_small`` tells that its file is small enough to be read as a whole.
    """

    name: str
    view: str
    types: dict[str, str]
    families: dict[str, Family]
    is_small: bool

    @property
    def rows(self) -> ir.Table:
        """The rows as Ibis sees them."""
        return ibis.table({name: found.value for name, found in self.families.items()}, name=self.view)


class Cdm:
    """The tables of a CDM as views of one cursor, which is the only place that they are seen from."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, cdm: str, version: str | None = None, vocabulary: str | None = None
    ) -> None:
        """Open ``cdm``, a folder or a schema; tables of the vocabulary that it lacks come from the folder of that name.

        Without one, they come from the vocabulary in use. Raises OmopsqlError when there is no such CDM or vocabulary,
        or for an unknown version.
        """
        if version is not None and version not in VERSIONS:
            raise OmopsqlError(f"CDM version {version!r} is unknown; known are {', '.join(VERSIONS)}")
        self.cursor = cursor
        self.name = cdm
        own = {name: _typed(cursor, name, found) for name, found in cdm_relations(cursor, cdm).items()}
        relations = _of_vocabulary(cursor, vocabulary, own) | own
        self._selects = {name: _select(relation) for name, relation in relations.items()}
        self.tables = {name: _table(cursor, name, self._selects[name], relations[name]) for name in relations}
        self.version = version or self._told_version()

    def standing_alone(self, sql: str) -> str:
        """Write a query so that it runs on any connection to the database: with the tables that it reads before it."""
        read = [table for table in self.tables.values() if re.search(rf'"?\b{table.view}\b"?', sql)]
        if not read:
            return sql
        views = ", ".join(f"{identifier(table.view)} AS ({self._selects[table.name]})" for table in read)
        return f"WITH {views} FROM ({sql})"

    def _told_version(self) -> str:
        """The version that cdm_source tells; 5.4 when it tells none."""
        source = self.tables.get("cdm_source")
        if source is None or "cdm_version" not in source.types:
            return VERSIONS[-1]
        rows = self.cursor.execute(f"SELECT CAST(cdm_version AS VARCHAR) FROM {identifier(source.view)}").fetchall()
        told = " ".join(str(row[0]) for row in rows)
        return next((version for version in VERSIONS if version in told), VERSIONS[-1])


def _of_vocabulary(cursor: duckdb.DuckDBPyConnection, folder: str | None, own: Collection[str]) -> dict[str, Relation]:
    """The tables of a vocabulary that the CDM lacks: of the folder, or else of the vocabulary in use, if any."""
    if folder is None:
        with suppress(OmopsqlError):
            folder = None if "concept" in own else folder_in_use(cursor)
    if folder is None:
        return {}
    files = open_files(cursor, Path(folder))
    missing = {name: file for name, file in files.items() if name in VOCABULARY_TABLES and name not in own}
    return {name: describe(cursor, str(file.path), f"({typed_sql(file)})") for name, file in missing.items()}


def _typed(cursor: duckdb.DuckDBPyConnection, name: str, relation: Relation) -> Relation:
    """Give columns of a text file the CDM's types, where all their values are of them: an empty column has none."""
    if not relation.name.lower().endswith(TEXT_SUFFIXES):
        return relation
    wanted = _wanted(name)
    unread = [c for c, kind in relation.columns.items() if kind == "VARCHAR" and wanted.get(c.lower(), kind) != kind]
    if not unread:
        return relation
    casts = {column: f"TRY_CAST({identifier(column)} AS {wanted[column.lower()]})" for column in unread}
    asked = ", ".join(f"count({identifier(column)}) = count({cast})" for column, cast in casts.items())
    fits = cursor.execute(f"SELECT {asked} FROM {relation.sql}").fetchall()[0]
    given = {column: casts[column] for column, fit in zip(unread, fits, strict=True) if fit}
    replaced = ", ".join(f"{cast} AS {identifier(column)}" for column, cast in given.items())
    if not given:
        return relation
    types = relation.columns | {column: wanted[column.lower()] for column in given}
    return Relation(relation.name, f"(SELECT * REPLACE ({replaced}) FROM {relation.sql})", types)


def _wanted(name: str) -> dict[str, str]:
    """The types of a table's columns in any version of the CDM."""
    known = [tables(version).get(name, {}) for version in VERSIONS]
    return {field.name: storage_type(field) for fields in known for field in fields.values()}


def _select(relation: Relation) -> str:
    """The rows of a table, with the columns' names in lower case."""
    columns = (
        identifier(column) if column.islower() else f"{identifier(column)} AS {identifier(column.lower())}"
        for column in relation.columns
    )
    return f"SELECT {', '.join(columns)} FROM {relation.sql}"


def _table(cursor: duckdb.DuckDBPyConnection, name: str, select: str, relation: Relation) -> Table:
    """Make a view of a table; of a small file a table, which many queries read faster than the file."""
    view = _VIEW.format(name)
    is_small = _is_small(relation)
    kind = "TABLE" if is_small and name not in _UNREAD else "VIEW"
    cursor.execute(f"CREATE OR REPLACE TEMP {kind} {identifier(view)} AS {select}")
    types = {column.lower(): kind for column, kind in relation.columns.items()}
    return Table(name, view, types, {column: family(kind) for column, kind in types.items()}, is_small)


def _is_small(relation: Relation) -> bool:
    path = Path(relation.name)
    return path.is_file() and path.stat().st_size <= _SMALL
