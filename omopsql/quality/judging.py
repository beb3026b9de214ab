"""From counts to a judgement: failed, passed, not applicable or in error, as DataQualityDashboard judges.

A check that does not apply tells why. It applies less often than one would think: a field without any value, or a
concept without any record, is not judged.
"""

from __future__ import annotations

from dataclasses import dataclass

from .checks import Check
from .counts import Counts

ERA, PERSONS = "measureConditionEraCompleteness", "measurePersonCompleteness"
TABLE, FIELD, COMPLETENESS = "cdmTable", "cdmField", "measureValueCompleteness"


@dataclass(frozen=True)
class Presence:
    """What of a CDM is there: the rows of each table, and the values of each field."""

    rows: dict[str, int]
    filled: dict[tuple[str, str], int]


@dataclass(frozen=True)
class Judgement:
    """What a check came to."""

    check: Check
    counts: Counts
    failed: bool
    not_applicable: str | None

    @property
    def share(self) -> float | None:
        """The share of the rows that violate it, between 0 and 1."""
        if self.counts.violated is None or self.counts.examined is None:
            return None
        return self.counts.violated / self.counts.examined if self.counts.examined else 0.0

    @property
    def passed(self) -> bool:
        """Whether it applies, could be answered, and did not fail."""
        return not (self.failed or self.counts.error or self.not_applicable)


def judge(check: Check, counts: Counts, presence: Presence) -> Judgement:
    """Judge one check by its counts."""
    reason = not_applicable(check, counts, presence)
    failed = reason is None and counts.error is None and exceeds(check, counts, presence)
    return Judgement(check, counts, failed, reason)


def exceeds(check: Check, counts: Counts, presence: Presence) -> bool:
    """Whether more rows violate it than may. Without a threshold, or with 0, no row may."""
    name = check.kind.check_name
    if name == TABLE:
        return check.cdm_table not in presence.rows
    if name == FIELD:
        return (check.cdm_table, check.cdm_field) not in presence.filled
    return over_threshold(counts.violated or 0, counts.examined or 0, check.threshold)


def over_threshold(violated: int, examined: int, threshold: float | None) -> bool:
    """Whether violated of examined rows are more than threshold percent; without a threshold, more than none."""
    if not threshold:
        return violated > 0
    return examined > 0 and violated / examined * 100 > threshold


def not_applicable(check: Check, counts: Counts, presence: Presence) -> str | None:
    """Tell why a check does not apply, in DataQualityDashboard's words; None when it does."""
    name, table, field = check.kind.check_name, check.cdm_table, check.cdm_field
    if name == TABLE:
        return None
    if name == ERA:
        return _missing(presence, "condition_occurrence") or _empty(presence, "condition_occurrence")
    missing = _missing(presence, table)
    if missing or name in (PERSONS, FIELD):
        return missing
    if field and (table, field) not in presence.filled:
        return f"Field {table.upper()}.{field.upper()} does not exist."
    if counts.error:
        return None
    return _empty(presence, table) or _unfilled(check, counts, presence)


def _missing(presence: Presence, table: str) -> str | None:
    return None if table in presence.rows else f"Table {table.upper()} does not exist."


def _empty(presence: Presence, table: str) -> str | None:
    return None if presence.rows[table] else f"Table {table.upper()} is empty."


def _unfilled(check: Check, counts: Counts, presence: Presence) -> str | None:
    table, field = check.cdm_table, check.cdm_field
    if field and check.kind.check_name != COMPLETENESS and not presence.filled[table, field]:
        return f"Field {table.upper()}.{field.upper()} is not populated."
    if check.kind.level == "CONCEPT" and not counts.examined:
        unit = f" AND UNIT_CONCEPT_ID={check.unit_concept_id}" if check.unit_concept_id else ""
        return f"{field.upper()}={check.concept_id}{unit} is missing from the {table.upper()} table."
    return None
