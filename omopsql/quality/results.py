"""The results of checking as a table, one row a check, in DataQualityDashboard's columns and a few more."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from omopsql.rows import arrow_table
from omopsql.session import sql_type

from .judging import Judgement

SCHEMA = pa.schema(
    [
        ("checkId", pa.string()),
        ("checkName", pa.string()),
        ("checkLevel", pa.string()),
        ("cdmTableName", pa.string()),
        ("cdmFieldName", pa.string()),
        ("conceptId", pa.string()),
        ("unitConceptId", pa.string()),
        ("numViolatedRows", pa.int64()),
        ("numDenominatorRows", pa.int64()),
        ("pctViolatedRows", pa.float64()),
        ("thresholdValue", pa.float64()),
        ("failed", pa.int64()),
        ("passed", pa.int64()),
        ("notApplicable", pa.int64()),
        ("notApplicableReason", pa.string()),
        ("isError", pa.int64()),
        ("error", pa.string()),
        ("category", pa.string()),
        ("subcategory", pa.string()),
        ("context", pa.string()),
        ("severity", pa.string()),
        ("checkDescription", pa.string()),
    ]
)


def to_table(cursor: duckdb.DuckDBPyConnection, judgements: Iterable[Judgement]) -> pa.Table:
    """Write judgements as rows of ``SCHEMA``. pctViolatedRows is a share, from 0 to 1; thresholdValue a percentage."""
    rows = map(_row, judgements)
    return arrow_table(cursor, rows, {field.name: sql_type(field.type) for field in SCHEMA}).cast(SCHEMA)


def _row(judgement: Judgement) -> tuple[object, ...]:
    check, counts = judgement.check, judgement.counts
    kind = check.kind
    return (
        check.check_id,
        kind.check_name,
        kind.level,
        check.cdm_table.upper(),
        check.cdm_field.upper() or None,
        check.concept_id or None,
        check.unit_concept_id or None,
        counts.violated,
        counts.examined,
        judgement.share,
        check.threshold,
        int(judgement.failed),
        int(judgement.passed),
        int(judgement.not_applicable is not None),
        judgement.not_applicable,
        int(counts.error is not None),
        counts.error,
        kind.category,
        kind.subcategory or None,
        kind.context,
        kind.severity,
        check.description,
    )
