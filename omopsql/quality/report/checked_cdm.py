"""A CDM that was checked: what it is, when it was checked, and what every check came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from omopsql.quality.asked import Asked
from omopsql.quality.checks import Check
from omopsql.quality.judging import FIELD, TABLE, Judgement
from omopsql.quality.opened import Cdm
from omopsql.quoting import identifier, literal

Tell = Callable[[str], None]


def call(asked: Asked, check: Check) -> str:
    """Write the SQL that answers the rows which violate a check; of a check of what is there, its result."""
    named = {"version": asked.version, "vocabulary": asked.vocabulary, "checks": asked.checks, "today": asked.today}
    more = "".join(f", {name} := {literal(value)}" for name, value in named.items() if value is not None)
    cdm, check_id = literal(asked.cdm), literal(check.check_id)
    if check.kind.check_name in (TABLE, FIELD):
        return f"FROM omopsql.check_cdm({cdm}{more}) WHERE checkId = {check_id}"
    return f"FROM omopsql.violations({cdm}, {check_id}{more})"


@dataclass(frozen=True)
class CheckedCdm:
    """The results, with the CDM still open. ``source`` is the row of cdm_source, empty where there is none."""

    asked: Asked
    cdm: Cdm
    source: dict[str, object]
    judgements: list[Judgement]
    begun: datetime
    ended: datetime

    @property
    def name(self) -> str:
        """What the data source is called; without a name in cdm_source, as its folder or schema."""
        return str(self.source.get("cdm_source_name") or Path(self.asked.cdm).name or self.asked.cdm)

    @property
    def seconds(self) -> float:
        """How long checking took."""
        return (self.ended - self.begun).total_seconds()


def check_and_time(connection: duckdb.DuckDBPyConnection, asked: Asked, name: str | None = None) -> CheckedCdm:
    """Check a CDM on a connection, which then holds views of its tables. Raises OmopsqlError as check_cdm does.

    ``name`` is what the data source shall be called, whatever cdm_source says.
    """
    begun = datetime.now()
    cdm = asked.open(connection)
    judgements = asked.judge(cdm)
    source = _told_source(cdm) | ({"cdm_source_name": name} if name else {})
    return CheckedCdm(asked, cdm, source, judgements, begun, datetime.now())


def _told_source(cdm: Cdm) -> dict[str, object]:
    """Read the first row of cdm_source, as DataQualityDashboard does."""
    table = cdm.tables.get("cdm_source")
    if table is None:
        return {}
    rows = cdm.cursor.execute(f"FROM {identifier(table.view)} LIMIT 1").fetchall()
    return dict(zip(table.types, rows[0], strict=True)) if rows else {}
