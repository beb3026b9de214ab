"""The checks as data: what each asks, of which table and field, and how many rows may violate it.

``sql/quality/checks.csv`` holds the kinds, with Kahn's categories (Kahn et al. 2016, doi:10.13063/2327-9214.1244);
``sql/quality/thresholds.csv`` one row a check. Both follow OHDSI's DataQualityDashboard.
"""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import cache

from omopsql.sql_files import sql_folder


@dataclass(frozen=True)
class CheckType:
    """A kind of check: its level, its place among Kahn's categories, and what it means to fail.

    ``query`` is the SELECT of a check that a user wrote; the others have rules.
    """

    check_name: str
    level: str
    context: str
    category: str
    subcategory: str
    severity: str
    sql_file: str
    description: str
    query: str = ""


@dataclass(frozen=True)
class Check:
    """One check of one table, field or concept. Names are in lower case; what does not apply is empty.

    ``concept_id`` may hold several, with commas. ``threshold`` is the percentage of rows that may violate it.
    """

    kind: CheckType
    cdm_table: str
    cdm_field: str
    concept_id: str
    concept_name: str
    unit_concept_id: str
    other_table: str
    other_field: str
    value: str
    threshold: float | None

    @property
    def check_id(self) -> str:
        """The name of the check that OHDSI's tools use."""
        kind = self.kind
        parts = (kind.level, kind.check_name, self.cdm_table, self.cdm_field, self.concept_id, self.unit_concept_id)
        return "_".join(part for part in parts if part).lower()

    @property
    def concepts(self) -> list[int]:
        """The concepts that it is about."""
        return [int(concept) for concept in self.concept_id.split(",") if concept]

    @property
    def description(self) -> str:
        """What it counts, in one sentence."""
        return self.kind.description.format(
            table=self.cdm_table.upper(),
            field=self.cdm_field.upper(),
            concept=f"{self.concept_name or 'concept'} ({self.concept_id})",
            other_table=self.other_table.upper(),
            other_field=self.other_field.upper(),
            value=self.value,
        )


def _rows(name: str) -> csv.DictReader[str]:
    return csv.DictReader(io.StringIO(sql_folder("quality").joinpath(name).read_text(encoding="utf-8")))


@cache
def check_types() -> dict[str, CheckType]:
    """Return the kinds of checks by name, in their order."""
    return {row["check_name"]: CheckType(**row) for row in _rows("checks.csv")}


@cache
def checks(version: str) -> tuple[Check, ...]:
    """Return the checks of a CDM version (5.3 or 5.4), in the order of their kinds."""
    return tuple(check_of(row) for row in _rows("thresholds.csv") if version in row["cdm_version"].split("|"))


def check_of(row: dict[str, str], kinds: dict[str, CheckType] | None = None) -> Check:
    """Make a check of a row of ``thresholds.csv``; columns that the row lacks are empty."""
    kind = (kinds or check_types())[row["check_name"]]
    parts = {part.name: row.get(part.name) or "" for part in fields(Check) if part.name not in ("kind", "threshold")}
    return Check(kind=kind, threshold=float(row["threshold"]) if row.get("threshold") else None, **parts)


def bound(value: str, today: date) -> date | float | str:
    """What the value of a check means: a day, a number, or else a name."""
    if value == "tomorrow":
        return today + timedelta(days=1)
    if value == "next year":
        return float(today.year + 1)
    for read in (float, date.fromisoformat):
        with suppress(ValueError):
            return read(value)
    return value
