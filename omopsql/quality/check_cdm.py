"""The SQL function ``check_cdm``: every check of a CDM, counted and judged."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from omopsql.registry import routine
from omopsql.session import Caller

from .asked import Asked
from .results import SCHEMA, to_table


@routine(
    family="quality",
    schema=SCHEMA,
    examples=(
        "SELECT count(*) FROM omopsql.check_cdm('omopsql_demo/cdm', vocabulary := 'omopsql_demo/vocabulary') --> 2374",
        "SELECT numViolatedRows FROM omopsql.check_cdm('omopsql_demo/cdm') "
        "WHERE checkId = 'field_isrequired_person_gender_concept_id' --> 0",
    ),
)
def check_cdm(
    caller: Caller,
    cdm: str,
    version: str | None = None,
    vocabulary: str | None = None,
    thresholds: str | None = None,
    checks: str | None = None,
    today: str | None = None,
) -> pa.Table:
    """Answer every check of OHDSI's DataQualityDashboard on a CDM, one row a check, with the same counts.

    cdm is a folder of Parquet or CSV files, or a schema. version is 5.3 or 5.4, by default what cdm_source tells.
    vocabulary is a folder with the vocabulary's tables that the CDM lacks; without it, the vocabulary in use is read.
    thresholds is a table or file with other thresholds (check_name or checkId, and threshold). checks is a folder of
    your own: thresholds.csv with rows of checks, and a SQL file for each new kind. today, as 2026-12-31, is the day
    that no date may lie after; by default it is today.
    """
    with caller.cursor() as cursor:
        return checked(cursor, Asked(cdm, version, vocabulary, thresholds, checks, today))


def checked(cursor: duckdb.DuckDBPyConnection, asked: Asked) -> pa.Table:
    """Check a CDM on a connection of its own, and return its results. Raises OmopsqlError for what cannot be opened."""
    with _no_collecting():
        return to_table(cursor, asked.judge(asked.open(cursor)))


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Put off the search for cyclic garbage: it would walk through every library that is loaded, several times."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            gc.enable()
