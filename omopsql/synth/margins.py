"""Margins: how often each value or interval of one column occurs, from cells of at least ``min_cell`` rows.

A cell is a single value (an *atom*), an interval of a number line, a label, the *rest* (rare labels together, whose
texts are never released), or the *missing* values. Interval edges lie on the public grid of ``value_bucket``; the two
outermost edges are set by means over at least ``min_cell`` rows, so no single person's extreme is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa

from . import columns as c
from .columns import Column
from .counts import COARSE_ROWS, count, label_query, number_query, number_text_query
from .kinds import looks_like_key, text_kind, total
from .numberline import number_line, unit_of


@dataclass(frozen=True)
class Margin:
    """The released cells of one column, in order: the number line, labels by frequency, the rest, the missing.

    ``low`` and ``high`` bound number cells (equal for an atom, NaN elsewhere); ``label`` names label cells.
    """

    column: Column
    low: np.ndarray = field(default_factory=lambda: np.empty(0))
    high: np.ndarray = field(default_factory=lambda: np.empty(0))
    labels: tuple[str, ...] = ()
    has_rest: bool = False
    has_missing: bool = False
    n: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def numbers(self) -> int:
        """How many cells lie on the number line. Labels follow them."""
        return len(self.low)

    @property
    def rest(self) -> int:
        """Cell of the rare labels, or -1."""
        return self.numbers + len(self.labels) if self.has_rest else -1

    @property
    def missing(self) -> int:
        """Cell of the missing values, or -1."""
        return len(self.n) - 1 if self.has_missing else -1


class Counts(Protocol):
    """What is counted of one column, cell by cell, as the queries of ``counts`` answer."""

    def numbers(self, name: str, sql_type: str) -> pa.Table:
        """Count a column of a number-like type."""

    def numbers_in_text(self, name: str, decimals: int) -> pa.Table:
        """Count the numbers (or dates, ``decimals`` -1) in a text column."""

    def labels(self, name: str) -> list[dict[str, Any]]:
        """Count a column of labels: a row a label that is told, and one with label None for the rest."""


@dataclass(frozen=True)
class SourceCounts:
    """Counts of the source of ``rows`` rows that stands as the view ``omopsql_source``."""

    cursor: duckdb.DuckDBPyConnection
    rows: int
    min_cell: int

    def numbers(self, name: str, sql_type: str) -> pa.Table:
        """Count a column of a number-like type."""
        return count(self.cursor, name, number_query(sql_type, self.min_cell, self.rows > COARSE_ROWS))

    def numbers_in_text(self, name: str, decimals: int) -> pa.Table:
        """Count the numbers (or dates, ``decimals`` -1) in a text column."""
        return count(self.cursor, name, number_text_query(decimals, self.min_cell, self.rows > COARSE_ROWS))

    def labels(self, name: str) -> list[dict[str, Any]]:
        """Count a column of labels."""
        return count(self.cursor, name, label_query(self.min_cell)).to_pylist()


@dataclass(frozen=True)
class Survey:
    """Makes the margins of a source of ``rows`` rows from counts of its columns, whose types are given."""

    counts: Counts
    types: dict[str, str]
    rows: int
    min_cell: int

    def margins(self, kinds: dict[str, str]) -> list[Margin]:
        """Count every column, in the source's order. ``kinds`` overrides what types and values suggest."""
        return [self._margin(name, sql_type, kinds.get(name)) for name, sql_type in self.types.items()]

    def _margin(self, name: str, sql_type: str, kind: str | None) -> Margin:
        if kind in (c.IDENTIFIER, c.UNLEARNED):
            return Margin(Column(name, sql_type, kind, note="as asked"))
        first = c.first_kind(sql_type)
        if first == c.UNLEARNED:
            return Margin(Column(name, sql_type, c.UNLEARNED, note=f"values of type {sql_type} are not learned"))
        return self._text(name, sql_type, kind) if first == c.CATEGORY else self._number(name, sql_type, kind)

    def _number(self, name: str, sql_type: str, kind: str | None) -> Margin:
        counted = self.counts.numbers(name, sql_type)
        if kind is None and c.is_integer(sql_type) and looks_like_key(name, counted, self.rows, self.min_cell):
            return Margin(Column(name, sql_type, c.IDENTIFIER, note="every value is different"))
        column = Column(name, sql_type, c.NUMBER, unit=unit_of(counted))
        low, high, n = number_line(counted, column.unit, self.rows, self.min_cell)
        return self._complete(column, low, high, n, [], 0, self.rows - total(counted))

    def _text(self, name: str, sql_type: str, kind: str | None) -> Margin:
        counted = self.counts.labels(name)
        kept = sorted((row for row in counted if row["label"] is not None), key=lambda row: (-row["n"], row["label"]))
        pooled = [row for row in counted if row["label"] is None]
        present = sum(row["n"] for row in counted)
        note = ""
        if kind is None and pooled:
            kind, note = text_kind(name, counted, pooled[0], present)
        if kind in (c.IDENTIFIER, c.UNLEARNED):
            return Margin(Column(name, sql_type, kind, note=note))
        if kind in (c.NUMBER, c.NUMBER_TEXT):
            return self._number_text(name, sql_type, kept, counted)
        nothing = np.empty(0)
        column = Column(name, sql_type, c.CATEGORY)
        return self._complete(column, nothing, nothing, [], kept, sum(r["n"] for r in pooled), self.rows - present)

    def _number_text(self, name: str, sql_type: str, kept: list[dict[str, Any]], every: list[dict[str, Any]]) -> Margin:
        """Margin of a text column that holds numbers or dates: a number line, then the other frequent labels."""
        dates = sum(row["dates"] for row in every) > sum(row["numbers"] for row in every)
        decimals = -1 if dates else max(row["most_decimals"] or 0 for row in every)
        counted = self.counts.numbers_in_text(name, decimals)
        unit = 1.0 if dates else unit_of(counted) or 10.0**-decimals
        low, high, n = number_line(counted, unit, self.rows, self.min_cell)
        labels = [row for row in kept if not row["dates" if dates else "numbers"]]
        note = "dates written as text" if dates else "numbers written as text"
        present = sum(row["n"] for row in every)
        fewest = min((row["fewest_decimals"] for row in every if row["fewest_decimals"] is not None), default=0)
        trimmed = 0 <= fewest < decimals and sum(row["padded"] for row in every) <= 0.01 * present
        column = Column(name, sql_type, c.NUMBER_TEXT, unit, decimals, trimmed, note)
        rest = present - total(counted) - sum(row["n"] for row in labels)
        return self._complete(column, low, high, n, labels, rest, self.rows - present)

    def _complete(
        self,
        column: Column,
        low: np.ndarray,
        high: np.ndarray,
        n: Iterable[int],
        labels: list[dict[str, Any]],
        rest: int,
        missing: int,
    ) -> Margin:
        """Put the cells together. Too few rare labels or missing values are left out, unless nothing else is left."""
        counts = [*n, *(row["n"] for row in labels)]
        has_rest = rest >= self.min_cell
        if has_rest:
            counts.append(rest)
        has_missing = missing >= self.min_cell or not counts
        if has_missing:
            counts.append(missing)
        names = tuple(row["label"] for row in labels)
        return Margin(column, low, high, names, has_rest, has_missing, np.array(counts, np.int64))
