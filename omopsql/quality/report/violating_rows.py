"""The query behind each failed check, and a few of the rows that it finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from omopsql.errors import OmopsqlError, first_line
from omopsql.quality.judging import Judgement
from omopsql.quality.violations import violating_sql

from .checked_cdm import CheckedCdm, Tell

_LONGEST = 200  # characters of a value: the text of a note could fill the page


@dataclass(frozen=True)
class Examples:
    """Rows that violate a check, every value as text."""

    columns: list[str]
    rows: list[tuple[str | None, ...]]


def queries(checked: CheckedCdm, failed: Iterable[Judgement]) -> dict[str, str]:
    """Write, by checkId, the query for the rows that violate a check. It runs on any connection to the CDM.

    Checks of what is there, and not of rows, have none.
    """
    found = {}
    for judgement in failed:
        try:
            query = violating_sql(checked.cdm, judgement.check, checked.asked.day)
        except OmopsqlError:
            continue
        found[judgement.check.check_id] = checked.cdm.standing_alone(query)
    return found


def examples(checked: CheckedCdm, found: dict[str, str], rows: int, tell: Tell) -> dict[str, Examples]:
    """Run the queries for the first rows that they find. Of a query that fails, its error is the row."""
    taken = {}
    for position, (check_id, query) in enumerate(found.items(), start=1):
        tell(f"Example rows: {position} of {len(found)}")
        try:
            taken[check_id] = _first_rows(checked.cdm.cursor, query, rows)
        except duckdb.Error as error:
            taken[check_id] = Examples(["error"], [(first_line(error),)])
    return taken


def _first_rows(cursor: duckdb.DuckDBPyConnection, query: str, rows: int) -> Examples:
    texts = f"SELECT left(CAST(COLUMNS(*) AS VARCHAR), {_LONGEST}) FROM ({query}) LIMIT {rows}"
    result = cursor.execute(texts)
    return Examples([column[0] for column in result.description], result.fetchall())
