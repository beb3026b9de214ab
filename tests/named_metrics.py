"""Metrics as tests look them up: by name and subject."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb

from omopsql.evaluate.metric import Metric, to_table


def by_name(metrics: Iterable[Metric]) -> dict[tuple[str, str], Metric]:
    """Metrics of whole CDMs; what has no subject but a table is named by its table."""
    found = list(metrics)
    to_table(found)  # every metric is a known one
    return {(one.metric, one.subject if one.subject or not one.table else one.table): one for one in found}


def told(con: duckdb.DuckDBPyConnection, call: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of a call by metric and subject."""
    rows = con.sql(f"FROM omopsql.{call}").to_arrow_table().to_pylist()
    return {(row["metric"], row["subject"]): row for row in rows}
