"""What a user asks in SQL: an outcome as an expression over a table, persons as a query over a CDM. Both only read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier
from omopsql.relation import Relation, describe

OUTCOME = "omopsql_outcome"
_WRITES = re.compile(r"(INSERT|UPDATE|DELETE|MERGE)_")  # nodes of a WITH that changes a table


@dataclass(frozen=True)
class Asked:
    """A user's SQL as it was read: its argument and text, the columns that it names, and the whole numbers in it."""

    argument: str
    sql: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]


def read_expression(cursor: duckdb.DuckDBPyConnection, argument: str, sql: str) -> Asked:
    """Read one expression over a table, such as ``age > 60 AND died``. Raises OmopsqlError when it is none."""
    wanted = "one expression, such as age > 60 AND died"
    return _asked(argument, _bare(sql), _tree(cursor, argument, sql, f"SELECT ({_bare(sql)}\n)", wanted))


def read_query(cursor: duckdb.DuckDBPyConnection, argument: str, sql: str) -> Asked:
    """Read one SELECT over the tables of a CDM. Raises OmopsqlError when it is none, or when it would write."""
    kind = "one SELECT, such as SELECT person_id FROM death"
    if not re.match(r"\s*(--.*\n\s*)*(SELECT|WITH|FROM|\()", sql, re.I):
        raise OmopsqlError(f"{argument}: {_shown(sql)} is no query; give {kind}")
    return _asked(argument, _bare(sql), _tree(cursor, argument, sql, _bare(sql), kind))


def with_outcome(cursor: duckdb.DuckDBPyConnection, relation: Relation, asked: Asked) -> Relation:
    """Return a table with one more column: its outcome as 1, 0 or NULL. Raises OmopsqlError when it cannot be told."""
    value = f"CAST(CAST(({asked.sql}\n) AS BOOLEAN) AS DOUBLE)"
    widened = f"(SELECT source.*, {value} AS {identifier(OUTCOME)} FROM {relation.sql} AS source)"
    try:
        cursor.execute(f"SELECT sum({identifier(OUTCOME)}) FROM {widened}")  # a value may be one that it cannot read
    except duckdb.Error as error:
        known = {name.lower() for name in relation.columns}
        for name in asked.columns:
            if name.lower() not in known:
                has = ", ".join(relation.columns)
                raise OmopsqlError(f"{asked.argument}: {relation.name} has no column {name!r}; it has {has}") from error
        told = f"{_shown(asked.sql)} cannot be computed in {relation.name}: {first_line(error)}"
        raise OmopsqlError(f"{asked.argument}: {told}") from error
    return describe(cursor, relation.name, widened)


def _bare(sql: str) -> str:
    return sql.strip().rstrip(";").rstrip()


def _shown(sql: str) -> str:
    text = " ".join(sql.split())
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def _tree(cursor: duckdb.DuckDBPyConnection, argument: str, sql: str, query: str, wanted: str) -> Any:
    """The parsed statement of a user's SQL. DuckDB writes nothing but SELECTs as JSON."""
    try:
        told = json.loads(cursor.execute("SELECT json_serialize_sql($1)", [query]).fetchall()[0][0])
    except duckdb.Error as error:
        raise OmopsqlError(f"{argument}: {_shown(sql)} cannot be read: {first_line(error)}") from error
    if told["error"]:
        raise OmopsqlError(f"{argument}: {_shown(sql)} cannot be read: {first_line(told['error_message'])}")
    statements = told["statements"]
    if len(statements) != 1 or any(_WRITES.match(str(node.get("type"))) for node in _nodes(statements)):
        raise OmopsqlError(f"{argument}: {_shown(sql)} does more than read; give {wanted}")
    return statements[0]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(child)


def _asked(argument: str, sql: str, tree: Any) -> Asked:
    columns = [node["column_names"][-1] for node in _nodes(tree) if node.get("column_names")]
    numbers = [int(found) for found in re.findall(r"(?<![\w.])\d+(?![\w.])", sql)]
    return Asked(argument, sql, tuple(dict.fromkeys(columns)), tuple(dict.fromkeys(numbers)))
