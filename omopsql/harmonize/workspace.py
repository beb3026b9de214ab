"""The database in memory where one run of harmonizing happens: its schemas, and its tables as Ibis sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
import ibis
import ibis.expr.types as ir

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier
from omopsql.synth.columns import ibis_type

from .adapter import AdapterFile

BUILD, CDM = "build", "cdm"  # what a run needs on its way, and what it makes


@dataclass(frozen=True)
class Workspace:
    """A connection with the schemas ``source``, ``build`` and ``cdm``."""

    con: duckdb.DuckDBPyConnection

    def columns(self, name: str) -> dict[str, str]:
        """Columns and types of a table or view, ``schema.name``."""
        return {row[0]: row[1] for row in self.con.execute(f"DESCRIBE {name}").fetchall()}

    def relation(self, name: str) -> ir.Table:
        """A table or view, ``schema.name``, as Ibis sees it. All integers count as int64."""
        schema, _, plain = name.partition(".")
        columns = {c: "int64" if _is_integer(kind) else ibis_type(kind) for c, kind in self.columns(name).items()}
        return ibis.table(columns, name=plain, database=schema)

    def keep(self, name: str, expression: ir.Table) -> ir.Table:
        """Store an expression as a table of the schema ``build``, and return that."""
        self.con.execute(f"CREATE OR REPLACE TABLE {BUILD}.{identifier(name)} AS {to_sql(expression)}")
        return self.relation(f"{BUILD}.{name}")

    def count(self, relation: str) -> int:
        """How many rows a relation has."""
        return int(self.con.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])

    def run(self, file: AdapterFile, sql: str) -> None:
        """Run SQL that holds a file of the adapter. Raises OmopsqlError that names the file."""
        try:
            self.con.execute(sql)
        except duckdb.Error as error:
            raise OmopsqlError(f"{file.name}.sql: {first_line(error)}") from error


def to_sql(expression: ir.Table) -> str:
    """Compile an expression for DuckDB."""
    return str(ibis.to_sql(expression, dialect="duckdb"))


def _is_integer(kind: str) -> bool:
    return bool(re.match(r"^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$", kind.upper()))
