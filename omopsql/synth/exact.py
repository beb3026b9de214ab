"""Exact sums of a table, to be added to those of other sites: a private file for merging, and nobody else's eyes.

A file of exact sums has the columns of a model. Its statistics are those of three rounds: counts of single columns,
counts of pairs of columns, and sums of score products.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import omopsql
from omopsql.errors import OmopsqlError

from .hospital.fit import fingerprint
from .hospital.sums import SCHEMA as SUMS_SCHEMA
from .hospital.sums import Sums
from .model import FORMAT, SCHEMA

HEADER = "exact"
ROUNDS = (
    ("column", "number", "text", "label", "number in text", "date in text"),
    ("words", "bins"),
    ("products", "asked"),
)
_BETWEEN = "\x1f"  # a statistic and the columns that it is about, in the name of sums


def named(statistic: str, *columns: str) -> str:
    """What sums call a statistic of some columns."""
    return _BETWEEN.join((statistic, *columns))


@dataclass(frozen=True)
class Header:
    """What exact sums are of: the round, the rows, and how they were counted.

    ``sites`` is how many sites there may be; ``kinds`` what columns were asked to be taken for, as JSON; ``margins``
    and ``pairs`` name (by a hash) the merged sums of the first two rounds, by which the next ones were counted.
    """

    rows: int
    round: int
    method: str
    min_cell: int
    sites: int
    kinds: str
    margins: str | None = None
    pairs: str | None = None
    private: bool = True
    format: int = FORMAT
    omopsql: str = omopsql.__version__

    def label(self) -> str:
        """All but the number of rows, as JSON."""
        return json.dumps({key: value for key, value in asdict(self).items() if key != "rows"}, sort_keys=True)


@dataclass(frozen=True)
class Exact:
    """Exact sums of one or more sites, and their header."""

    header: Header
    sums: Sums

    def to_table(self) -> pa.Table:
        """Write them as a table of ``model.SCHEMA``."""
        row = Sums()
        row.put(HEADER, np.zeros((1, 0)), [self.header.rows], pa.array([self.header.label()]))
        return from_sums(Sums.merged([self.sums, row]).to_table())

    @classmethod
    def from_table(cls, table: pa.Table, name: str) -> Exact:
        """Read them back. Raises OmopsqlError when the table called ``name`` holds none."""
        if set(SCHEMA.names) - set(table.column_names):
            raise OmopsqlError(f"{name} holds no exact sums of a table: fit it with for_merge := true (--for-merge)")
        sums = Sums.from_table(to_sums(table), name)
        labels = sums.labels(HEADER)
        if len(labels) != 1:
            raise OmopsqlError(f"{name} holds no exact sums of a table: fit it with for_merge := true (--for-merge)")
        told = json.loads(labels[0] or "{}")
        if told.get("format") != FORMAT:
            raise OmopsqlError(
                f"{name} was made by omopsql {told.get('omopsql')}, which wrote another format: fit again"
            )
        header = Header(rows=int(sums.counted(HEADER).n[0]), **told)
        sums.drop(HEADER)
        return cls(header, sums)

    def of_rounds(self, last: int) -> Sums:
        """The sums of the first rounds."""
        kept = {statistic for names in ROUNDS[:last] for statistic in names}
        chosen = Sums()
        for statistic in self.sums:
            if statistic.split(_BETWEEN)[0] in kept:
                counted = self.sums.counted(statistic)
                chosen.put(statistic, counted.keys, counted.n, counted.labels)
        return chosen

    def fingerprint(self, last: int) -> str:
        """Name the sums of the first rounds: equal sums have equal names."""
        return fingerprint(self.of_rounds(last))


def to_sums(table: pa.Table) -> pa.Table:
    """Rows of ``model.SCHEMA`` as rows of sums: a statistic's columns are part of its name."""
    table = table.select(SCHEMA.names).cast(SCHEMA)
    columns = pc.binary_join(table["columns"], _BETWEEN)
    has_columns = pc.greater(pc.list_value_length(table["columns"]), 0)
    joined = pc.binary_join_element_wise(table["statistic"], columns, _BETWEEN)
    statistic = pc.if_else(has_columns, joined, table["statistic"])
    return pa.table([statistic, table["cells"], table["value"], table["n"]], schema=SUMS_SCHEMA)


def from_sums(table: pa.Table) -> pa.Table:
    """Rows of sums as rows of ``model.SCHEMA``."""
    parts = pc.split_pattern(table["statistic"], _BETWEEN)
    columns = pc.list_slice(parts, 1).cast(SCHEMA.field("columns").type)
    return pa.table([pc.list_element(parts, 0), columns, table["key"], table["label"], table["n"]], schema=SCHEMA)


_MUST_AGREE = {
    "round": "{0} and {1} are of different rounds ({2} and {3}): merge files of one round",
    "omopsql": "{0} was made by omopsql {2}, {1} by {3}: fit both with one version",
    "method": "{0} was fitted by method {2}, {1} by {3}: fit both alike",
    "min_cell": "{0} has min_cell {2}, {1} has {3}: fit both with one min_cell",
    "sites": "{0} was fitted for {2} sites, {1} for {3}: fit both for as many",
    "kinds": "{0} and {1} take columns for different kinds ({2} and {3}): fit both alike",
    "margins": "{0} and {1} were counted by different margins: merge their margins first, and fit both with these",
    "pairs": "{0} and {1} were counted by different pairs: merge the second round first, and fit both with it",
}


def added(parts: dict[str, Exact]) -> Exact:
    """Add up exact sums, by name of file. Raises OmopsqlError when they do not fit together."""
    (first, own), *others = parts.items()
    for name, other in others:
        for field, told in _MUST_AGREE.items():
            one, two = getattr(own.header, field), getattr(other.header, field)
            if one != two:
                raise OmopsqlError(told.format(first, name, one, two))
    return Exact(replace(own.header, rows=_rows(parts.values())), Sums.merged(part.sums for part in parts.values()))


def _rows(parts: Iterable[Exact]) -> int:
    return sum(part.header.rows for part in parts)
