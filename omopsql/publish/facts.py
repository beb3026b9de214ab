"""What is known of the data of a release: read from the files, once, and told by every record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class File:
    """A file of a release; ``path`` is relative to its folder, with slashes."""

    path: str
    bytes: int
    sha256: str
    media_type: str


@dataclass(frozen=True)
class Column:
    """A column: ``type`` is DuckDB's, ``nulls`` how many of its rows hold NULL."""

    name: str
    type: str
    description: str
    nulls: int


@dataclass(frozen=True)
class Table:
    """A table, and the Parquet files that hold it."""

    name: str
    description: str
    rows: int
    columns: tuple[Column, ...]
    files: tuple[File, ...]


@dataclass(frozen=True)
class CodingSystem:
    """A vocabulary whose concepts the data use, and its address where it has one."""

    vocabulary_id: str
    name: str
    uri: str | None
    concepts: int


@dataclass(frozen=True)
class Code:
    """A concept of the data: one of those that most persons have."""

    concept_id: int
    vocabulary_id: str
    code: str
    name: str
    persons: int


@dataclass(frozen=True)
class Generation:
    """How synthetic data were made. ``learned`` is the number of persons or rows; without noise there is no epsilon."""

    model_sha256: str
    method: str
    seed: int
    learned: int
    min_cell: int
    epsilon: float | None
    delta: float | None
    omopsql: str
    policy_sha256: str | None = None


@dataclass(frozen=True)
class Facts:
    """What the data are. ``standard`` is such as ``OMOP-CDM 5.4``, or None for flat tables.

    ``persons`` is None where no column tells one person from another; ages are in years at the first record or at
    the observation's start, None where unknown.
    """

    tables: tuple[Table, ...]
    persons: int | None
    youngest: int | None
    oldest: int | None
    first_day: date | None
    last_day: date | None
    standard: str | None
    coding_systems: tuple[CodingSystem, ...]
    codes: tuple[Code, ...]
    generation: Generation

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables)


@dataclass(frozen=True)
class Evidence:
    """A report that a release carries: what it judges, its file, and the worst that it says.

    ``kind`` is quality, fidelity, utility, privacy, fairness, ledger, advice or policy.
    """

    kind: str
    path: str
    title: str
    verdict: str
    words: str


@dataclass(frozen=True)
class Edition:
    """One release of a data set: its version, when it was made, and how it stands to others.

    ``replaces`` is the version before it; ``forced`` the reason why it was published against advice.
    """

    identifier: str
    version: str
    published: datetime
    replaces: str | None = None
    forced: str | None = None
    retracted: str | None = None
