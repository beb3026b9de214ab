"""Checks that a user adds or overrides: a folder with rows of thresholds, and a SQL file for each new kind of check.

A file ``<check_name>.sql`` is one SELECT over the tables of the CDM, by their names. It returns the rows that the check
examines, with a column ``is_violated``. Lines ``-- @level FIELD``, ``-- @category Plausibility`` and the like say what
kind of check it is; the other comment lines describe it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier

from .checks import Check, CheckType, check_of, check_types, checks
from .counts import Counts
from .opened import Cdm

THRESHOLDS = "thresholds.csv"
_TAG = re.compile(r"^--\s*@(level|context|category|subcategory|severity)\s+(.+?)\s*$", re.M)
_LEVELS = ("TABLE", "FIELD", "CONCEPT")


def all_checks(version: str, folder: str | None) -> tuple[Check, ...]:
    """The checks of a CDM version, and those of a user's folder, which come in the place of those of the same name."""
    if folder is None:
        return checks(version)
    known = {check.check_id: check for check in checks(version)}
    kinds = check_types() | {kind.check_name: kind for kind in _own_kinds(Path(folder))}
    known = {name: _rekinded(check, kinds) for name, check in known.items()}
    for row in _own_rows(Path(folder)):
        if row.get("cdm_version") and version not in row["cdm_version"].split("|"):
            continue
        if row.get("check_name") not in kinds:
            raise OmopsqlError(
                f"{folder}/{THRESHOLDS}: there is no check {row.get('check_name')!r}; "
                f"write {row.get('check_name')}.sql beside it, or name one of {', '.join(check_types())}"
            )
        check = _read_check(folder, row, kinds)
        known[check.check_id] = check
    return tuple(known.values())


def _rekinded(check: Check, kinds: dict[str, CheckType]) -> Check:
    kind = kinds[check.kind.check_name]
    if kind is check.kind:
        return check
    return Check(**{**check.__dict__, "kind": kind})


def _read_check(folder: str, row: dict[str, str], kinds: dict[str, CheckType]) -> Check:
    try:
        return check_of(row, kinds)
    except ValueError as error:
        raise OmopsqlError(f"{folder}/{THRESHOLDS}: threshold {row.get('threshold')!r} is no number") from error


def _own_rows(folder: Path) -> list[dict[str, str]]:
    path = folder / THRESHOLDS
    if not folder.is_dir():
        raise OmopsqlError(f"there is no folder {str(folder)!r} with checks")
    if not path.is_file():
        raise OmopsqlError(
            f"{folder} holds no {THRESHOLDS}: write one with the columns check_name, cdm_table, threshold"
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"check_name", "cdm_table"} - set(reader.fieldnames or ())
        if missing:
            raise OmopsqlError(f"{path} has no column {' and no column '.join(sorted(missing))}")
        return [{name: (value or "").strip() for name, value in row.items() if name} for row in reader]


def _own_kinds(folder: Path) -> Iterable[CheckType]:
    for path in sorted(folder.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        tags = dict(_TAG.findall(text))
        level = tags.get("level", "FIELD").upper()
        if level not in _LEVELS:
            raise OmopsqlError(f"{path}: @level {tags['level']!r} is none of {', '.join(_LEVELS)}")
        yield CheckType(
            check_name=path.stem,
            level=level,
            context=tags.get("context", "Verification"),
            category=tags.get("category", "Plausibility"),
            subcategory=tags.get("subcategory", ""),
            severity=tags.get("severity", "characterization"),
            sql_file=path.name,
            description=_prose(text),
            query=_one_select(path, text),
        )


def _prose(text: str) -> str:
    lines = [line[2:].strip() for line in text.splitlines() if line.startswith("--")]
    return " ".join(line for line in lines if not line.startswith("@")).replace("{", "{{").replace("}", "}}")


def _one_select(path: Path, text: str) -> str:
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise OmopsqlError(f"{path}: {first_line(error)}") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise OmopsqlError(f"{path} must hold one SELECT, and nothing else")
    return str(statements[0].query).strip().rstrip(";")


def examined_sql(cdm: Cdm, check: Check) -> str:
    """The rows that a user's check examines, after a WITH that gives it the tables of the CDM that it names."""
    query = check.kind.query
    named = [table for table in cdm.tables.values() if re.search(rf"\b{table.name}\b", query, re.I)]
    tables = ", ".join(f"{identifier(table.name)} AS (FROM {identifier(table.view)})" for table in named)
    return f"WITH {tables} FROM ({query})" if named else query


def count(cdm: Cdm, check: Check) -> Counts:
    """Count the rows of a user's check."""
    examined = f"SELECT count(*) FILTER (WHERE is_violated), count(*) FROM ({examined_sql(cdm, check)})"
    try:
        violated, rows = cdm.cursor.execute(examined).fetchall()[0]
    except duckdb.Error as error:
        return Counts(error=f"{check.kind.sql_file}: {first_line(error)}")
    return Counts(int(violated), int(rows))
