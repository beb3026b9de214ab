"""The SQL function ``judge``: earlier results judged by other thresholds, without touching the CDM."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.registry import routine
from omopsql.relation import resolve
from omopsql.session import Caller

from .judging import over_threshold
from .results import SCHEMA
from .thresholds import Thresholds

_PARTS = ("checkName", "cdmTableName", "cdmFieldName", "conceptId")


@routine(
    family="quality",
    schema=SCHEMA,
    examples=(
        "SELECT count(*) FROM omopsql.judge('quality_results', thresholds := 'quality_thresholds') "
        "WHERE failed = 1 AND checkName = 'measurePersonCompleteness' --> 0",
    ),
)
def judge(caller: Caller, results: str, thresholds: str) -> pa.Table:
    """Judge the results of check_cdm again by other thresholds, without running the checks.

    results is a table or file that holds them. thresholds is a table or file with the columns threshold, a percentage,
    and checkId, or check_name with, as far as wanted, cdm_table, cdm_field and concept_id. Where several fit, the one
    that says most of the check counts. A threshold that is NULL or 0 lets no row violate the check.
    """
    with caller.cursor() as cursor:
        return rejudged(read_results(cursor, results), Thresholds(cursor, thresholds))


def read_results(cursor: duckdb.DuckDBPyConnection, source: str) -> pa.Table:
    """Read results of checks from a table or file. Raises OmopsqlError when it holds none."""
    relation = resolve(cursor, source)
    known = {column.lower(): column for column in relation.columns}
    missing = [name for name in SCHEMA.names[:17] if name.lower() not in known]
    if missing:
        raise OmopsqlError(f"{source} holds no results of checks: it has no column {', '.join(missing)}")
    table = cursor.sql(f"FROM {relation.sql}").to_arrow_table()
    columns = {name.lower(): table.column(name) for name in table.column_names}
    absent = pa.nulls(table.num_rows, pa.string())
    return pa.table({name: columns.get(name.lower(), absent) for name in SCHEMA.names}).cast(SCHEMA)


def rejudged(results: pa.Table, thresholds: Thresholds) -> pa.Table:
    """Give results other thresholds, and judge anew the rows that those are for."""
    rows = results.to_pylist()
    for row in rows:
        name, table, field, concept = ((row[part] or "").lower() for part in _PARTS)
        said = thresholds.of(row["checkId"].lower(), (name, table, field, concept))
        if said is None:
            continue
        row["thresholdValue"] = said[0]
        if not row["notApplicable"] and not row["isError"] and row["numViolatedRows"] is not None:
            failed = over_threshold(row["numViolatedRows"], row["numDenominatorRows"], said[0])
            row["failed"], row["passed"] = int(failed), int(not failed)
    return pa.Table.from_pylist(rows, schema=SCHEMA)
