"""What a policy says, as it is asked by whatever learns, judges or releases data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import VERSIONS, VOCABULARY_TABLES, roles, tables

if TYPE_CHECKING:
    import pyarrow as pa

    from omopsql.publish.facts import Facts

Columns = frozenset[tuple[str, str]]

_ENUM = re.compile(r"\bENUM\b", re.I)
_CONCEPT = "concept_id"


@dataclass(frozen=True)
class Concept:
    """A concept that a policy lists. ``descendants`` is None where they are meant if a vocabulary is there."""

    concept_id: int
    descendants: bool | None = None


@dataclass(frozen=True)
class OfCdm:
    """What of a CDM may be learned. ``admitted`` lists are None where everything is that is not denied."""

    denied_tables: frozenset[str] = frozenset()
    admitted_tables: frozenset[str] | None = None
    denied_columns: Columns = frozenset()
    admitted_columns: Columns | None = None
    denied_concepts: tuple[Concept, ...] = ()
    admitted_concepts: tuple[Concept, ...] | None = None
    learns_unmapped: bool = True

    @property
    def restricts_concepts(self) -> bool:
        """Whether some records may not be learned, for the concept that they have."""
        return bool(self.denied_concepts) or self.admitted_concepts is not None or not self.learns_unmapped

    def withholds_table(self, table: str) -> bool:
        """Whether a table is read as absent. The vocabulary is never learned, and never withheld."""
        if table in VOCABULARY_TABLES:
            return False
        is_admitted = self.admitted_tables is None or table in self.admitted_tables
        return table in self.denied_tables or not is_admitted

    def withholds(self, table: str, column: str) -> bool:
        """Whether a column is read as NULL. Keys and what a table cannot be read without are never withheld."""
        if table in VOCABULARY_TABLES or column in needed(table):
            return False
        is_admitted = self.admitted_columns is None or (table, column) in self.admitted_columns
        return (table, column) in self.denied_columns or not is_admitted


@dataclass(frozen=True)
class OfTable:
    """Which columns of flat tables may be learned: ``column`` or ``table.column``, with ``*`` for any letters."""

    denied: tuple[str, ...] = ()
    admitted: tuple[str, ...] | None = None

    def withholds(self, source: str, column: str) -> bool:
        """Whether a column of a source may not be learned."""
        table = _called(source)
        if any(_matches(entry, table, column) for entry in self.denied):
            return True
        return self.admitted is not None and not any(_matches(entry, table, column) for entry in self.admitted)

    def refuse_unknown(self, source: str, columns: Iterable[str], policy: str) -> None:
        """Raise OmopsqlError for a plain name that is no column: a mistyped name would let a column through."""
        table, names = _called(source), list(columns)
        for entry in (*self.denied, *(self.admitted or ())):
            if _is_meant(entry, table) and not any(_matches(entry, table, name) for name in names):
                raise OmopsqlError(
                    f"{policy}: {source} has no column {entry!r}; it has {', '.join(names)}: correct the name, or "
                    "write table.column for a column of another table"
                )


@dataclass(frozen=True)
class Noise:
    """Differential privacy: whether it must be asked for, and the most that may be spent when it is."""

    is_required: bool = False
    epsilon: float | None = None
    delta: float | None = None


@dataclass(frozen=True)
class Bound:
    """What a metric must reach: a ``verdict`` (pass; or look, anything but fail), or a number on one side."""

    metric: str
    verdict: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    within: float | None = None


@dataclass(frozen=True)
class Release:
    """What a release must pass. ``advice`` is the worst advice that is tolerated; ``days`` an evaluation's age."""

    persons: int = 0
    advice: str | None = None
    days: int | None = None
    attacks: tuple[Bound, ...] = ()
    metrics: tuple[Bound, ...] = ()
    failed_checks: int | None = None
    passed_checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """A policy: what may be learned and for what, and what a release must pass. ``sha256`` is that of its file."""

    name: str
    sha256: str
    title: str = ""
    purposes: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    approvals: int = 0
    min_cell: int = 1
    noise: Noise = field(default_factory=Noise)
    cdm: OfCdm = field(default_factory=OfCdm)
    table: OfTable = field(default_factory=OfTable)
    release: Release = field(default_factory=Release)

    def least(self, min_cell: int) -> int:
        """Return the ``min_cell`` to fit with: what was asked for, or the policy's floor where that is higher."""
        return max(min_cell, self.min_cell)

    def refuse_noise(self, epsilon: float | None, delta: float | None) -> None:
        """Raise OmopsqlError when noise that is needed is not asked for, or more is spent than the policy allows."""
        asked = self.noise
        if epsilon is None:
            if asked.is_required:
                ceiling = "" if asked.epsilon is None else f" of at most {asked.epsilon:g}"
                raise OmopsqlError(f"{self.name} asks for noise: say epsilon :={ceiling or ' a number'} (--epsilon)")
            return
        for name, spent, most in (("epsilon", epsilon, asked.epsilon), ("delta", delta, asked.delta)):
            if most is not None and spent is not None and spent > most:
                raise OmopsqlError(f"{name} is {spent:g}; {self.name} allows at most {most:g}")

    def withheld(self, source: str, columns: Mapping[str, str]) -> list[str]:
        """Return the columns of a flat table that may not be learned.

        A table of a CDM is bound by what is said of the CDM too. Raises OmopsqlError for a table that may not be
        learned at all, and for a column of concepts when some concepts may not be: rows are not left out of a table.
        """
        self.table.refuse_unknown(source, columns, self.name)
        found = {name.lower() for name in columns if self.table.withholds(source, name)}
        table = _called(source)
        if _is_of_cdm(table, columns):
            if self.cdm.withholds_table(table):
                raise OmopsqlError(f"{self.name} does not allow the table {table} to be learned")
            found |= {name.lower() for name in columns if self.cdm.withholds(table, name.lower())}
        for name in columns:
            if self.cdm.restricts_concepts and name.lower().endswith(_CONCEPT) and name.lower() not in found:
                raise OmopsqlError(
                    f"{self.name} does not allow every concept, and {source} holds concepts in {name}: deny that "
                    "column under learn.table.columns, or learn the CDM with cdm_fit"
                )
        return [name for name in columns if name.lower() in found]

    def unmet(
        self,
        rows: pa.Table | Sequence[Mapping[str, Any]] | None,
        advice: Sequence[Any],
        facts: Facts | None,
        evaluated_at: datetime | None,
        now: datetime,
        *,
        checks: Sequence[Mapping[str, Any]] | None = None,
        approved_by: Sequence[str] = (),
        purposes: Sequence[str] = (),
    ) -> list[str]:
        """Return every reason why a release does not pass, in words; none when it passes.

        ``rows`` are those of an evaluation (``metric.SCHEMA``), a table or one dict a row; ``advice`` what follows from
        them; ``checks`` the CheckResults of ``omopsql check -o quality.json``. None where there is no such report.
        """
        from .unmet import reasons  # it reads the rules of evaluation, which learning needs nothing of

        return list(reasons(self, rows, advice, facts, evaluated_at, now, checks, approved_by, purposes))


@cache
def columns_of_cdm() -> Mapping[str, tuple[str, ...]]:
    """Return the columns of every table of any CDM version, the vocabulary's excepted."""
    found: dict[str, dict[str, None]] = {}
    for version in VERSIONS:
        for table, fields in tables(version).items():
            if table not in VOCABULARY_TABLES:
                found.setdefault(table, {}).update(dict.fromkeys(fields))
    return {table: tuple(names) for table, names in found.items()}


@cache
def needed(table: str) -> frozenset[str]:
    """Return the columns without which a table's rows are nobody's: keys, the person, and the day."""
    known: set[str] = set()
    for version in VERSIONS:
        fields = tables(version).get(table, {})
        known |= {one.name for one in fields.values() if one.is_primary_key or one.name == "person_id"}
        if table in roles(version):
            known.add(roles(version)[table].start_date_field)
    more = {
        "person": {"year_of_birth"},
        "note": {"note_date"},
        "observation_period": {"observation_period_start_date", "observation_period_end_date"},
        "payer_plan_period": {"payer_plan_period_start_date"},
    }
    return frozenset(known | more.get(table, set()))


def type_without_values(sql_type: str) -> str:
    """Return the type that a withheld column is told to have: an ENUM's would tell its values."""
    return "VARCHAR" if _ENUM.search(sql_type) else sql_type


def _called(source: str) -> str:
    """What a flat table is called in a policy: the file's name without its ending, or the table's without a schema."""
    name = Path(source).name if "/" in source or "\\" in source or Path(source).exists() else source
    parts = re.sub(r"\.(parquet|csv|tsv|json|ndjson|jsonl)(\.gz)?$", "", name, flags=re.I).split(".")
    return parts[-1].strip('"').lower()


def _is_meant(entry: str, table: str) -> bool:
    """Whether an entry must be a column of the table: a plain name, or one of this table; no pattern."""
    if "*" in entry:
        return False
    owner, dot, _ = entry.lower().partition(".")
    return not dot or owner == table


def _matches(entry: str, table: str, column: str) -> bool:
    pattern = pattern_of(entry.lower())
    return any(pattern.fullmatch(name) is not None for name in (column.lower(), f"{table}.{column.lower()}"))


@cache
def pattern_of(entry: str) -> re.Pattern[str]:
    """Compile an entry in which ``*`` stands for any letters."""
    return re.compile(".*".join(map(re.escape, entry.split("*"))), re.S)


def _is_of_cdm(table: str, columns: Iterable[str]) -> bool:
    """Whether a flat table is one of a CDM: by its name, and by its key."""
    own = columns_of_cdm().get(table)
    return own is not None and own[0] in {name.lower() for name in columns}
