"""The SQL functions ``violations``, the rows that violate a check, and ``check_sql``, the query that finds them."""

from __future__ import annotations

import difflib
from datetime import date

import duckdb
import ibis.expr.types as ir

from omopsql.errors import OmopsqlError
from omopsql.quoting import literal
from omopsql.registry import expression
from omopsql.session import Caller

from . import own_checks, single_concepts
from .asked import Asked
from .checks import Check
from .examined import examine, rows_of
from .judging import FIELD, TABLE
from .opened import Cdm
from .rules import rule_of
from .run import unanswerable
from .templates import to_sql


@expression(
    family="quality",
    examples=(
        "SELECT count(*) FROM omopsql.violations('omopsql_demo/cdm', 'field_isprimarykey_person_person_id') --> 0",
    ),
)
def violations(
    caller: Caller,
    cdm: str,
    check_id: str,
    version: str | None = None,
    vocabulary: str | None = None,
    checks: str | None = None,
    today: str | None = None,
) -> str:
    """Return the rows of a CDM that violate a check, with all their columns: as many as numViolatedRows tells.

    check_id is the checkId of a row of check_cdm; the other arguments are those of check_cdm. A check of distinct
    values, persons or duplicates returns every row that takes part. Checks of whole tables and fields have no rows.
    """
    with caller.cursor() as cursor:
        return _standing_alone(cursor, Asked(cdm, version, vocabulary, None, checks, today), check_id)


@expression(
    family="quality",
    examples=(
        "SELECT query LIKE '%gender_concept_id%' FROM omopsql.check_sql('omopsql_demo/cdm', "
        "'field_isrequired_person_gender_concept_id') --> True",
    ),
)
def check_sql(
    caller: Caller,
    cdm: str,
    check_id: str,
    version: str | None = None,
    vocabulary: str | None = None,
    checks: str | None = None,
    today: str | None = None,
) -> str:
    """Return the query that finds the rows which violate a check, as a text to read, keep or change.

    The arguments are those of violations. The query runs as it stands on any DuckDB connection.
    """
    with caller.cursor() as cursor:
        query = _standing_alone(cursor, Asked(cdm, version, vocabulary, None, checks, today), check_id)
        return f"SELECT {literal(query)} AS query"


def _standing_alone(cursor: duckdb.DuckDBPyConnection, asked: Asked, check_id: str) -> str:
    cdm = asked.open(cursor)
    known = {check.check_id: check for check in asked.of(cdm)}
    wanted = check_id.lower().replace(" ", "")
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=1)
        advice = f"; did you mean {near[0]}?" if near else ""
        raise OmopsqlError(f"CDM {cdm.version} has no check {check_id!r}{advice}")
    return cdm.standing_alone(violating_sql(cdm, known[wanted], asked.day))


def violating_sql(cdm: Cdm, check: Check, today: date) -> str:
    """Write the query for the rows that violate a check. Raises OmopsqlError when the CDM lacks what it needs."""
    if check.kind.check_name in (TABLE, FIELD):
        raise OmopsqlError(f"{check.check_id} is about what is there, not about rows")
    if check.kind.query:
        return f"SELECT * EXCLUDE (is_violated) FROM ({own_checks.examined_sql(cdm, check)}) WHERE is_violated"
    error = unanswerable(cdm, check)
    if error:
        raise OmopsqlError(f"{check.check_id} cannot be answered: {error}")
    return to_sql(_violating(cdm, check, today) if rule_of(check) else single_concepts.violating(cdm, check))


def _violating(cdm: Cdm, check: Check, today: date) -> ir.Table:
    rule = rule_of(check)
    assert rule is not None
    table = rule.table or check.cdm_table
    rows = rows_of(cdm, table, rule.rows, check.cdm_field)
    held = rows.filter(rule.violated(examine(cdm, check, rule, rows, today)))
    return held.select(*cdm.tables[table].families)
