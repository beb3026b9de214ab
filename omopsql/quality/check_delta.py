"""The SQL function ``check_delta``: what got better and what got worse between two checks of a CDM."""

from __future__ import annotations

from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from omopsql.registry import routine
from omopsql.session import Caller

from .asked import Asked
from .check_cdm import checked
from .judge import read_results
from .templates import to_sql

_BEFORE, _AFTER = "omopsql_before", "omopsql_after"
SCHEMA = pa.schema(
    [
        ("checkId", pa.string()),
        ("change", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("violatedBefore", pa.int64()),
        ("violatedAfter", pa.int64()),
        ("pctBefore", pa.float64()),
        ("pctAfter", pa.float64()),
        ("severity", pa.string()),
        ("checkDescription", pa.string()),
    ]
)
_KINDS = {
    "checkId": "string",
    "failed": "int64",
    "passed": "int64",
    "notApplicable": "int64",
    "isError": "int64",
    "numViolatedRows": "int64",
    "pctViolatedRows": "float64",
    "severity": "string",
    "checkDescription": "string",
}


@routine(
    family="quality",
    schema=SCHEMA,
    examples=("SELECT count(*) FROM omopsql.check_delta('quality_results', 'quality_results') --> 0",),
)
def check_delta(caller: Caller, before: str, after: str) -> pa.Table:
    """Tell which checks changed between two states of a CDM: worse, better, new or gone, the worst first.

    before and after are tables or files with the results of check_cdm, or CDMs, which are then checked. A check got
    worse when it fails or errs and did not before, or when a greater share of its rows violate it.
    """
    with caller.cursor() as cursor:
        cursor.register(_BEFORE, _results(cursor, before))
        cursor.register(_AFTER, _results(cursor, after))
        return cursor.sql(to_sql(_delta())).to_arrow_table().cast(SCHEMA)


def _results(cursor: duckdb.DuckDBPyConnection, source: str) -> pa.Table:
    if Path(source).is_dir() or _is_schema(cursor, source):
        return checked(cursor, Asked(source))
    return read_results(cursor, source)


def _is_schema(cursor: duckdb.DuckDBPyConnection, source: str) -> bool:
    asked = "SELECT count(*) FROM duckdb_schemas() WHERE schema_name = ? OR database_name || '.' || schema_name = ?"
    return bool(cursor.execute(asked, [source, source]).fetchall()[0][0])


def _delta() -> ir.Table:
    before = _described(ibis.table(_KINDS, name=_BEFORE)).rename("{name}_before")
    after = _described(ibis.table(_KINDS, name=_AFTER)).rename("{name}_after")
    both = before.outer_join(after, before.checkId_before == after.checkId_after)
    change = ibis.cases(
        (both.checkId_before.isnull(), "new"),
        (both.checkId_after.isnull(), "gone"),
        (both.rank_after > both.rank_before, "worse"),
        (both.rank_after < both.rank_before, "better"),
        (both.share_after > both.share_before, "worse"),
        (both.share_after < both.share_before, "better"),
    )
    told = both.select(
        checkId=ibis.coalesce(both.checkId_after, both.checkId_before),
        change=change,
        before=both.state_before,
        after=both.state_after,
        violatedBefore=both.numViolatedRows_before,
        violatedAfter=both.numViolatedRows_after,
        pctBefore=both.pctViolatedRows_before,
        pctAfter=both.pctViolatedRows_after,
        severity=ibis.coalesce(both.severity_after, both.severity_before),
        checkDescription=ibis.coalesce(both.checkDescription_after, both.checkDescription_before),
        step=ibis.coalesce(both.rank_after, 0) - ibis.coalesce(both.rank_before, 0),
        growth=ibis.coalesce(both.share_after, 0.0) - ibis.coalesce(both.share_before, 0.0),
    )
    changed = told.filter(told.change.notnull())
    ordered = changed.order_by(changed.step.desc(), changed.growth.desc(), changed.checkId)
    return ordered.drop("step", "growth")


def _described(results: ir.Table) -> ir.Table:
    """Say of each check in a word what it came to, and in a number how bad that is."""
    states = (
        ("error", results.isError == 1),
        ("not applicable", results.notApplicable == 1),
        ("failed", results.failed == 1),
    )
    state = ibis.cases(*((held, name) for name, held in states), else_="passed")
    rank = state.cases(("failed", 2), ("error", 1), else_=0)
    return results.mutate(state=state, rank=rank, share=results.pctViolatedRows.fill_null(0.0))
