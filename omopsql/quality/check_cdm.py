"""The SQL function ``check_cdm``: every check of a CDM, counted and judged."""

from __future__ import annotations

from datetime import date

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.registry import routine
from omopsql.session import Caller

from .opened import Cdm
from .own_checks import all_checks
from .results import SCHEMA, to_table
from .run import check
from .thresholds import with_thresholds


@routine(
    family="quality",
    schema=SCHEMA,
    examples=(
        "SELECT count(*) FROM omopsql.check_cdm('omopsql_demo/cdm') WHERE isError = 1 --> 0",
        "SELECT numViolatedRows FROM omopsql.check_cdm('omopsql_demo/cdm') "
        "WHERE checkId = 'field_isrequired_person_gender_concept_id' --> 0",
    ),
)
def check_cdm(
    caller: Caller,
    cdm: str,
    version: str | None = None,
    thresholds: str | None = None,
    checks: str | None = None,
    today: str | None = None,
) -> pa.Table:
    """Answer every check of OHDSI's DataQualityDashboard on a CDM, one row a check, with the same counts.

    cdm is a folder of Parquet or CSV files, or a schema. version is 5.3 or 5.4, by default what cdm_source tells.
    thresholds is a table or file with other thresholds (check_name or checkId, and threshold). checks is a folder of
    your own: thresholds.csv with rows of checks, and a SQL file for each new kind. today, as 2026-12-31, is the day
    that no date may lie after; by default it is today.
    """
    with caller.cursor() as cursor:
        return checked(cursor, cdm, version, thresholds, checks, today)


def checked(
    cursor: duckdb.DuckDBPyConnection,
    cdm: str,
    version: str | None = None,
    thresholds: str | None = None,
    checks: str | None = None,
    today: str | None = None,
) -> pa.Table:
    """Check a CDM on a connection of its own, and return its results. Raises OmopsqlError for what cannot be opened."""
    opened = Cdm(cursor, cdm, version)
    asked = all_checks(opened.version, checks)
    if thresholds is not None:
        asked = with_thresholds(cursor, asked, thresholds)
    return to_table(cursor, check(opened, asked, day(today)))


def day(today: str | None) -> date:
    """Read the day that counts as today."""
    if today is None:
        return date.today()
    try:
        return date.fromisoformat(today)
    except ValueError as error:
        raise OmopsqlError(f"today is {today!r}; give a day such as 2026-12-31") from error
