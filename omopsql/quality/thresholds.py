"""Other thresholds than those that checks come with: rows of a table or file, for a check or a whole kind of checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import duckdb

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier
from omopsql.relation import resolve

from .checks import Check, check_types

_SPELLINGS = {
    "check_id": ("checkid", "check_id"),
    "check_name": ("checkname", "check_name"),
    "cdm_table": ("cdmtablename", "cdm_table", "cdm_table_name"),
    "cdm_field": ("cdmfieldname", "cdm_field", "cdm_field_name"),
    "concept_id": ("conceptid", "concept_id"),
    "threshold": ("thresholdvalue", "threshold", "threshold_value"),
}
Key = tuple[str, str, str, str]  # name, table, field, concept: of these, what is empty stands for any


class Thresholds:
    """Thresholds by check, or by kind, table, field and concept. The one that says most of a check counts."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, source: str) -> None:
        """Read ``source``, a table or file with a column threshold, and checkId or check_name."""
        relation = resolve(cursor, source)
        columns = {column.lower(): column for column in relation.columns}
        found = {part: next((columns[s] for s in names if s in columns), None) for part, names in _SPELLINGS.items()}
        if found["threshold"] is None or not (found["check_id"] or found["check_name"]):
            raise OmopsqlError(f"{source} must have the columns threshold, and checkId or check_name")
        selected = ", ".join(_cast(part, column) for part, column in found.items())
        rows = cursor.execute(f"SELECT {selected} FROM {relation.sql}").fetchall()
        self._by_id = {row[0]: row[-1] for row in rows if row[0]}
        self._by_key: dict[Key, float | None] = {(row[1], row[2], row[3], row[4]): row[5] for row in rows if not row[0]}
        unknown = {key[0] for key in self._by_key} - {name.lower() for name in check_types()}
        if unknown:
            raise OmopsqlError(f"{source}: there is no check {', '.join(sorted(unknown))}")

    def of(self, check_id: str, parts: Key) -> tuple[float | None] | None:
        """Return the threshold of a check in a tuple of one, or None where nothing is said of it."""
        if check_id in self._by_id:
            return (self._by_id[check_id],)
        name, table, field, concept = parts
        for key in ((name, table, field, concept), (name, table, field, ""), (name, table, "", ""), (name, "", "", "")):
            if key in self._by_key:
                return (self._by_key[key],)
        return None


def _cast(part: str, column: str | None) -> str:
    if column is None:
        return "''"
    if part == "threshold":
        return f"CAST({identifier(column)} AS DOUBLE)"
    return f"lower(coalesce(CAST({identifier(column)} AS VARCHAR), ''))"


def with_thresholds(cursor: duckdb.DuckDBPyConnection, checks: Iterable[Check], source: str) -> tuple[Check, ...]:
    """Give checks the thresholds of a table or file. Raises OmopsqlError when that holds none."""
    thresholds = Thresholds(cursor, source)
    found = []
    for check in checks:
        parts = (check.kind.check_name.lower(), check.cdm_table, check.cdm_field, check.concept_id)
        said = thresholds.of(check.check_id, parts)
        found.append(check if said is None else replace(check, threshold=said[0]))
    return tuple(found)
