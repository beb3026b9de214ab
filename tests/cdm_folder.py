"""The folder of a CDM as tests read it: rows of its tables, and what became of the source's rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb


def rows(cdm: Path, table: str, *columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    """Some columns of a table, sorted."""
    select = f"SELECT {', '.join(columns)} FROM '{cdm}/{table}.parquet' WHERE {where} ORDER BY ALL"
    return duckdb.sql(select).fetchall()


def report(cdm: Path) -> dict[tuple[str, str, str], tuple[int, str | None]]:
    """(source table, outcome, reason) -> (rows, example)."""
    found = duckdb.sql(f"FROM '{cdm}/_harmonize/report.parquet'").fetchall()
    return {(table, outcome, reason): (n, example) for table, outcome, reason, n, example in found}
