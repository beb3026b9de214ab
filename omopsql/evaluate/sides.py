"""The two or three flat tables that are compared: real, synthetic, and real rows that the model never saw.

Only columns that every side has are compared; what differs is told. Numbers beyond ±1e100, as infinity, count as
missing. A large table is drawn from: always the same rows for a seed, whatever the threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.errors import OmopsqlError, first_line
from omopsql.quoting import identifier
from omopsql.relation import Relation, resolve

Doubles = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

MOST_ROWS = 1_000_000  # rows of a side that are read
_FEW_VALUES = 20  # a number of at most so many values, each with enough rows, is also a label
_ROWS_OF_VALUE = 5
_DISTINCT = 0.9  # a text that has more distinct values than this share of its rows is a key or a free text
_BEYOND = 1e100  # numbers whose squares have no sum
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|DECIMAL\(|FLOAT$|DOUBLE$")
_DATED = re.compile(r"DATE$|TIMESTAMP")


@dataclass(frozen=True)
class Side:
    """One table: its name, how many rows it has, and those that were read, by column.

    Numbers are doubles (NaN: missing), dates days since 1970-01-01, all others texts (NULL: missing).
    """

    name: str
    rows: int
    table: pa.Table

    def __len__(self) -> int:
        return self.table.num_rows

    def numbers(self, column: str) -> Doubles:
        """Return a column of numbers (n), NaN where one is missing."""
        found: Doubles = self.table[column].to_numpy()
        return found

    def taken(self, places: Int64s) -> Side:
        """Return the side with some of its rows, in that order."""
        return Side(self.name, self.rows, self.table.take(pa.array(places)))


@dataclass(frozen=True)
class Sides:
    """The sides of a comparison, with the columns that all of them have.

    ``numeric`` are the columns of numbers and dates, ``labels`` all others; ``told`` says, one line each, which columns
    were left out and which sides were drawn from. ``drawn_from`` are the sides of which these are a part: what their
    columns are like is seen there.
    """

    real: Side
    synthetic: Side
    holdout: Side | None
    numeric: tuple[str, ...]
    labels: tuple[str, ...]
    told: tuple[str, ...]
    drawn_from: Sides | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order of the real table."""
        known = {*self.numeric, *self.labels}
        return tuple(name for name in self.real.table.column_names if name in known)

    @property
    def every(self) -> tuple[Side, ...]:
        """The sides there are: real, synthetic and, where given, holdout."""
        return (self.real, self.synthetic) if self.holdout is None else (self.real, self.synthetic, self.holdout)

    @cached_property
    def few_valued(self) -> tuple[str, ...]:
        """The numeric columns whose numbers are so few that each can be counted, as those of 0 and 1."""
        if self.drawn_from is not None:
            return self.drawn_from.few_valued
        return tuple(name for name in self.numeric if _is_few_valued(self.real.numbers(name)))

    @cached_property
    def identifiers(self) -> tuple[str, ...]:
        """The labels whose values are nearly all distinct, as those of a key: they are no coordinates of vectors."""
        if self.drawn_from is not None:
            return self.drawn_from.identifiers
        return tuple(name for name in self.labels if _is_distinct(self.real.table[name]))

    def halves(self, seed: int) -> tuple[Side, Side]:
        """Return two real samples that share no row: real and holdout, or else two random halves of the real one."""
        if self.holdout is not None:
            return self.real, self.holdout
        order = np.random.Generator(np.random.Philox(seed)).permutation(len(self.real))
        middle = len(order) // 2
        return self.real.taken(np.sort(order[:middle])), self.real.taken(np.sort(order[middle:]))

    def fresh(self, seed: int) -> Sides:
        """Return the halves as sides of their own: what a metric of them says, fresh real data would score."""
        first, second = self.halves(seed)
        return Sides(first, second, None, self.numeric, self.labels, (), self)


def open_sides(
    cursor: duckdb.DuckDBPyConnection,
    real: str,
    synthetic: str,
    holdout: str | None = None,
    *,
    without: Iterable[str] = (),
    rows: int = MOST_ROWS,
    seed: int = 0,
) -> Sides:
    """Open the sides: tables, views or files. Columns of ``without`` (a person's key, say) are not compared.

    Raises OmopsqlError when one cannot be read, is empty, or when they share no column.
    """
    relations = [resolve(cursor, source) for source in (real, synthetic, holdout) if source is not None]
    return sides_of(cursor, relations, without=without, rows=rows, seed=seed)


def sides_of(
    cursor: duckdb.DuckDBPyConnection,
    relations: list[Relation],
    *,
    without: Iterable[str] = (),
    rows: int = MOST_ROWS,
    seed: int = 0,
) -> Sides:
    """Open what is known as relations already: real, synthetic and, where there is one, holdout. As ``open_sides``."""
    left_out = {name.lower() for name in without}
    _need(relations[0], left_out)
    shared, told = _shared(relations, left_out)
    kinds = {name: _kind(relations, name) for name in shared}
    sides = [_read(cursor, relation, kinds, rows, seed) for relation in relations]
    told += [line for relation in relations for line in _too_large(cursor, relation, kinds)]
    told += [f"{side.name}: {len(side):,} of {side.rows:,} rows were drawn" for side in sides if len(side) < side.rows]
    by_kind = {kind: tuple(name for name in shared if kinds[name] == kind) for kind in ("number", "date", "label")}
    numeric = tuple(name for name in shared if kinds[name] != "label")
    opened = Sides(sides[0], sides[1], sides[2] if len(sides) > 2 else None, numeric, by_kind["label"], ())
    told += [f"column {name} is not compared: nearly all its values differ" for name in opened.identifiers]
    return replace(opened, told=tuple(told))


def _need(relation: Relation, columns: set[str]) -> None:
    known = {name.lower() for name in relation.columns}
    for name in sorted(columns - known):
        raise OmopsqlError(f"{relation.name} has no column {name!r}; it has {', '.join(relation.columns)}")


def _shared(relations: list[Relation], left_out: set[str]) -> tuple[list[str], list[str]]:
    """The columns that all have, named as the first names them, and a line for each that one of them lacks."""
    present = [{name.lower() for name in relation.columns} for relation in relations]
    everywhere = set.intersection(*present)
    shared = [name for name in relations[0].columns if name.lower() in everywhere - left_out]
    if not shared:
        names = " and ".join(relation.name for relation in relations)
        raise OmopsqlError(f"{names} share no column, so there is nothing to compare")
    told = []
    for name in sorted(set.union(*present) - everywhere - left_out):
        lacking = ", ".join(r.name for r, own in zip(relations, present, strict=True) if name not in own)
        told.append(f"column {name} is not compared: {lacking} has none")
    return shared, told


def _type(relation: Relation, column: str) -> str:
    return next(kind for name, kind in relation.columns.items() if name.lower() == column.lower())


def _kind(relations: list[Relation], column: str) -> str:
    """What a column is on all sides: ``number``, ``date`` or ``label``."""
    types = [_type(relation, column).upper() for relation in relations]
    if all(_NUMBER.match(found) for found in types):
        return "number"
    return "date" if all(_DATED.match(found) for found in types) else "label"


def _read(cursor: duckdb.DuckDBPyConnection, relation: Relation, kinds: dict[str, str], rows: int, seed: int) -> Side:
    selected = ", ".join(_selected(name, kind) for name, kind in kinds.items())
    try:
        count = int(cursor.execute(f"SELECT count(*) FROM {relation.sql}").fetchall()[0][0])
        if count == 0:
            raise OmopsqlError(f"{relation.name} has no rows, so there is nothing to compare")
        table = cursor.sql(f"SELECT {selected} FROM {_drawn(relation, count, rows, seed)}").to_arrow_table()
    except duckdb.Error as error:
        raise OmopsqlError(f"{relation.name} cannot be read: {first_line(error)}") from error
    return Side(relation.name, count, table.combine_chunks())


def _too_large(cursor: duckdb.DuckDBPyConnection, relation: Relation, kinds: dict[str, str]) -> list[str]:
    """A line for each column that has infinite numbers, or such that count as infinite."""
    named = [name for name in kinds if _type(relation, name).upper() in ("FLOAT", "DOUBLE")]
    if not named:
        return []
    counts = ", ".join(
        f"count_if(abs({identifier(name)}) >= {_BEYOND} AND NOT isnan({identifier(name)}))" for name in named
    )
    found = cursor.execute(f"SELECT {counts} FROM {relation.sql}").fetchall()[0]
    large = [(name, int(count)) for name, count in zip(named, found, strict=True) if count]
    return [f"{relation.name}: {count:,} numbers of {name} are infinite and count as missing" for name, count in large]


def _drawn(relation: Relation, count: int, rows: int, seed: int) -> str:
    """What stands after FROM for a table, or for so many of its rows, chosen by their place and the seed."""
    if count <= rows:
        return relation.sql
    numbered = f"SELECT *, row_number() OVER () AS omopsql_place FROM {relation.sql}"
    order = f"omopsql.philox_uniform({int(seed)}, omopsql_place, 0), omopsql_place"
    return f"(FROM ({numbered}) ORDER BY {order} LIMIT {int(rows)})"


def _selected(name: str, kind: str) -> str:
    column = identifier(name)
    if kind == "label":
        return f"CAST({column} AS VARCHAR) AS {column}"
    value = f"datediff('day', DATE '1970-01-01', CAST({column} AS DATE))" if kind == "date" else column
    number = f"CAST({value} AS DOUBLE)"
    return f"CASE WHEN abs({number}) < {_BEYOND} THEN {number} ELSE CAST('NaN' AS DOUBLE) END AS {column}"


def _is_distinct(column: pa.ChunkedArray) -> bool:
    values = int(pc.count_distinct(column).as_py())
    return values > max(_FEW_VALUES, _DISTINCT * (len(column) - column.null_count))


def _is_few_valued(numbers: Doubles) -> bool:
    known = numbers[~np.isnan(numbers)]
    return len(np.unique(known)) <= min(_FEW_VALUES, max(len(known) // _ROWS_OF_VALUE, 2))
