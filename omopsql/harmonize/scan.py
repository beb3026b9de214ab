"""``scan``: what a source holds, column by column, before anyone writes an adapter for it.

Each table is read three or four times, however many columns it has: for the counts that tell what its columns are, for
their extremes, and for their frequent values. What fewer than ``min_cell`` rows share never leaves the query; and where
a column tells whose a row is, rows are not enough: it takes as many persons.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier
from omopsql.registry import routine
from omopsql.relation import Relation, listed, name_parts, resolve
from omopsql.session import Caller, connect

from . import scan_columns as c
from .scan_columns import Column, Shape
from .source import STAGE, Source, open_source

SCHEMA = pa.schema(
    [
        ("table_name", pa.string()),
        ("column_name", pa.string()),
        ("type", pa.string()),
        ("rows", pa.int64()),
        ("missing", pa.int64()),
        ("distinct_values", pa.int64()),
        ("frequent_values", pa.list_(pa.string())),
        ("frequent_rows", pa.list_(pa.int64())),
        ("lowest", pa.string()),
        ("highest", pa.string()),
        ("looks_like", pa.string()),
    ]
)

_VIEW = "omopsql_scanned"
_ROW_NUMBER = "source_row"  # what opening a source adds to its tables
_EXACT = 100_000  # rows; in larger tables different values are not counted but estimated
_ERROR = 0.4  # three standard errors of the estimate, whose sketch has 64 registers
_FREQUENT = 10  # values shown of a column
_CANDIDATES = 100  # values of a column whose persons are counted
_PERSON = "person"
_MOST_COUNTED = 1_000_000  # distinct values; counting more would cost memory for little
_LARGEST_CELL = 100_000  # the min_cell-th extreme is found by keeping so many values of each column


@ibis.udf.agg.builtin(name="min", signature=((dt.string, dt.int64), dt.Array(dt.string)))
def _first_texts(text, n):  # type: ignore[no-untyped-def]
    """The n first texts."""


@ibis.udf.agg.builtin(name="max", signature=((dt.string, dt.int64), dt.Array(dt.string)))
def _last_texts(text, n):  # type: ignore[no-untyped-def]
    """The n last texts."""


@ibis.udf.agg.builtin(name="min", signature=((dt.float64, dt.int64), dt.Array(dt.float64)))
def _smallest(number, n):  # type: ignore[no-untyped-def]
    """The n smallest numbers."""


@ibis.udf.agg.builtin(name="max", signature=((dt.float64, dt.int64), dt.Array(dt.float64)))
def _largest(number, n):  # type: ignore[no-untyped-def]
    """The n largest numbers."""


@routine(
    family="harmonize",
    schema=SCHEMA,
    examples=(
        "SELECT frequent_values[1] FROM omopsql.scan('patients.parquet') WHERE column_name = 'sex' --> F",
        "SELECT looks_like FROM omopsql.scan('patients.parquet') WHERE column_name = 'birth_date' --> date",
    ),
)
def scan(caller: Caller, source: str, min_cell: int = 10) -> pa.Table:
    """Profile a source: one row for each table and column, with no value in it that fewer than min_cell rows share.

    Where a column tells the patient (patient, person_id, subject_id and the like), patients count instead of rows.
    source is a folder of CSV, TSV, Parquet or NDJSON files, a DuckDB file, postgresql://..., a schema, a table, a view
    or a single file. missing counts NULL and blank values. distinct_values is exact in tables of up to 100,000
    rows, an estimate in larger ones. frequent_values are the ten most frequent values that enough rows share,
    frequent_rows how many rows each has.
    lowest and highest, of dates and numbers, are the min_cell-th from either end. looks_like is key, date, number,
    code (labels too) or free text; it is NULL for an empty or nested column. Of keys and free text no value is shown.
    Dates and numbers that are written as texts are recognised. A file that cannot be read as a table gives one row,
    and type says why.
    """
    if not 1 <= min_cell <= _LARGEST_CELL:
        raise OmopsqlError(f"min_cell is {min_cell}; it must lie between 1 and {_LARGEST_CELL}")
    with _opened(caller, source) as (con, relations):
        profiles = [_Profile(con, relation) for relation in relations]
        keys = c.key_names(pair for profile in profiles for pair in zip(profile.columns, profile.looks, strict=True))
        rows = [row for profile in profiles for row in profile.rows(keys, min_cell)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@contextmanager
def _opened(caller: Caller, source: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Relation]]]:
    """Open a source: a connection, and the relations on it. Files and databases get a connection of their own."""
    with caller.cursor() as cursor:
        relations = _of_schema(cursor, source)
        if relations or not _is_outside(source):
            yield cursor, relations or [_of_name(cursor, source)]
            return
    with closing(connect()) as con:
        yield con, list(_of_source(con, open_source(con, source)))


def _is_outside(source: str) -> bool:
    return Path(source).exists() or source.startswith(("postgres://", "postgresql://"))


def _of_source(con: duckdb.DuckDBPyConnection, opened: Source) -> Iterator[Relation]:
    """Yield the tables of a source; one that cannot be read has no columns, and the reason stands for its SQL."""
    for table in opened.makers:
        try:
            name = opened.make(table)
        except OmopsqlError as error:
            yield Relation(opened.spelled[table], str(error), {})
        else:
            yield Relation(name, *_described(con, identifier(STAGE, name)))


def _of_name(cursor: duckdb.DuckDBPyConnection, source: str) -> Relation:
    relation = resolve(cursor, source)
    return Relation((name_parts(source) or [source])[-1], relation.sql, relation.columns)


def _of_schema(cursor: duckdb.DuckDBPyConnection, source: str) -> list[Relation]:
    """The tables and views of the schema (or database) that ``source`` names; none if it names no such."""
    current = cursor.execute("SELECT current_database()").fetchall()[0][0]
    named = source.lower()
    found = []
    for relation in listed(cursor):
        database, schema = relation.database.lower(), relation.schema.lower()
        is_schema = named == schema and relation.database == current
        if is_schema or named in (f"{database}.{schema}", database):
            found.append(Relation(relation.name, *_described(cursor, relation.sql)))
    return sorted(found, key=lambda relation: relation.name)


def _described(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, dict[str, str]]:
    return sql, {name: sql_type for name, sql_type, *_ in con.execute(f"DESCRIBE FROM {sql}").fetchall()}


class _Profile:
    """One table: its columns, their shapes and what they look like, counted when it is made."""

    def __init__(self, con: duckdb.DuckDBPyConnection, relation: Relation) -> None:
        self.con, self.relation = con, relation
        self.columns = [Column(name, kind) for name, kind in relation.columns.items() if name != _ROW_NUMBER]
        self.n, self.shapes = self._count()
        self.looks = [c.looks_like(column, shape) for column, shape in zip(self.columns, self.shapes, strict=True)]
        self.person = next((i for i, column in enumerate(self.columns) if c.tells_person(column)), None)

    def rows(self, keys: set[str], min_cell: int) -> Iterator[dict[str, Any]]:
        """Yield a row of ``SCHEMA`` for each column. ``keys`` are names that are keys in some table."""
        if not self.columns:
            yield {"table_name": self.relation.name, "type": self.relation.sql}
            return
        looks = [self._known(look, column, keys) for look, column in zip(self.looks, self.columns, strict=True)]
        extremes = self._extremes(looks, min_cell)
        frequent = self._frequent(looks, min_cell)
        for i, (column, shape, look) in enumerate(zip(self.columns, self.shapes, looks, strict=True)):
            low, high = extremes.get(i, (None, None))
            yield {
                "table_name": self.relation.name,
                "column_name": column.name,
                "type": column.type,
                "rows": self.n,
                "missing": self.n - shape.present,
                "distinct_values": None if column.stored == c.NESTED else shape.distinct,
                "frequent_values": [value for value, _ in frequent.get(i, [])],
                "frequent_rows": [n for _, n in frequent.get(i, [])],
                "lowest": low,
                "highest": high,
                "looks_like": look,
            }

    @staticmethod
    def _known(look: str | None, column: Column, keys: set[str]) -> str | None:
        return c.KEY if look in (c.NUMBER, c.CODE) and c.folded(column.name) in keys else look

    def _query(self, expression: ir.Table) -> list[dict[str, Any]]:
        """Answer an expression over the table, whose columns go by number, so that no name of a source can clash."""
        selected = ", ".join(sql for i, column in enumerate(self.columns) for sql in _views_of(i, column))
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {_VIEW} AS SELECT {selected} FROM {self.relation.sql}")
        answer = self.con.sql(str(ibis.to_sql(expression, dialect="duckdb"))).to_arrow_table().to_pylist()
        self.con.execute(f"DROP VIEW {_VIEW}")
        return answer

    def _whose(self, table: ir.Table) -> dict[str, ir.StringValue]:
        return {_PERSON: ibis.null("string") if self.person is None else table[f"text{self.person}"]}

    def _table(self) -> ir.Table:
        stored = enumerate(column.stored for column in self.columns)
        typed = {c.NUMBERS: "float64", c.MOMENTS: "timestamp", c.NESTED: "boolean"}
        schema = {f"{kind}{i}": typed[kind] for i, kind in stored if kind in typed}
        texts = {f"text{i}": "string" for i, column in enumerate(self.columns) if column.stored != c.NESTED}
        return ibis.table(schema | texts, name=_VIEW)

    def _count(self) -> tuple[int, list[Shape]]:
        if not self.columns:
            return 0, []
        table = self._table()
        n = int(self._query(table.agg(n=table.count()))[0]["n"])
        counts = {}
        for i, column in enumerate(self.columns):
            for name, count in _counts(table, i, column, n <= _EXACT).items():
                counts[f"{i} {name}"] = count
        answer = self._query(table.agg(**counts))[0]
        return n, [_shape(answer, i, 0.0 if n <= _EXACT else _ERROR) for i in range(len(self.columns))]

    def _extremes(self, looks: list[str | None], min_cell: int) -> dict[int, tuple[str | None, str | None]]:
        """The min_cell-th lowest and highest value of each date and number, as texts."""
        table = self._table()
        found: dict[str, ir.Value] = {}
        for i, look in enumerate(looks):
            if look == c.NUMBER:
                number = _number(table, i, self.columns[i])
                found |= {f"{i} low": number, f"{i} high": number}
            elif look == c.DATE:
                text = _moment(table, i, self.columns[i], self.shapes[i]).cast("string")
                found |= {f"{i} low": text, f"{i} high": text}
        if not found:
            return {}
        values = table.select(**found, **self._whose(table))
        if self.person is not None:
            ends = {name: getattr(values[name], "min" if name.endswith("low") else "max")() for name in found}
            values = values.group_by(_PERSON).agg(**ends)
        answer = self._query(values.agg(**{name: _kth(name, values[name], min_cell) for name in found}))[0]
        shown = {name: _shown(value) for name, value in answer.items()}
        return {i: (shown.get(f"{i} low"), shown.get(f"{i} high")) for i in range(len(looks))}

    def _frequent(self, looks: list[str | None], min_cell: int) -> dict[int, list[tuple[str, int]]]:
        """The most frequent values of every column that may show some, and how many rows share each."""
        shown = [
            i
            for i, (look, shape) in enumerate(zip(looks, self.shapes, strict=True))
            if look in (c.NUMBER, c.CODE, c.DATE) and shape.present >= min_cell and shape.distinct <= _MOST_COUNTED
        ]
        if not shown:
            return {}
        table = self._table()
        cells = table.select(cell=ibis.array([_cell(table, i) for i in shown]).unnest(), **self._whose(table))
        values = cells.select("person", column=cells["cell"]["column"], value=cells["cell"]["value"])
        present = values.filter(values["value"].notnull())
        counted = present.group_by("column", "value").agg(n=present.count()).filter(ibis._["n"] >= min_cell)
        if self.person is not None:
            counted = _of_many_persons(present, _first(counted, _CANDIDATES), min_cell)
        found: dict[int, list[tuple[str, int]]] = {}
        for row in self._query(_first(counted, _FREQUENT).order_by(ibis.desc("n"), "value")):
            found.setdefault(row["column"], []).append((row["value"], row["n"]))
        return found


def _kth(name: str, values: ir.Value, k: int) -> ir.Value:
    """The k-th value from the lower or the upper end, as the name says; NULL where the two ends would overlap."""
    smallest, largest = (_first_texts, _last_texts) if values.type().is_string() else (_smallest, _largest)
    kth = (smallest if name.endswith("low") else largest)(values, k)[k - 1]
    return (values.count() >= 2 * k).ifelse(kth, ibis.null(values.type()))


def _first(counted: ir.Table, most: int) -> ir.Table:
    """Keep the most frequent values of each column."""
    order = [ibis.desc("n"), "value"]
    placed = counted.mutate(place=ibis.row_number().over(group_by="column", order_by=order))
    return placed.filter(placed["place"] < most).drop("place")


def _of_many_persons(present: ir.Table, counted: ir.Table, min_cell: int) -> ir.Table:
    """Keep the values that so many persons have."""
    whose = present.semi_join(counted, ["column", "value"]).filter(ibis._[_PERSON].notnull())
    persons = whose.group_by("column", "value").agg(persons=whose[_PERSON].nunique())
    return counted.semi_join(persons.filter(persons["persons"] >= min_cell), ["column", "value"])


def _views_of(i: int, column: Column) -> Iterator[str]:
    """How column ``i`` is read: as a trimmed text, NULL where blank, and as what it is stored as."""
    name = identifier(column.name)
    if column.stored == c.NESTED:
        yield f"nullif({name} IS NOT NULL, false) AS nested{i}"
        return
    yield f"nullif(trim(CAST({name} AS VARCHAR)), '') AS text{i}"
    if column.stored == c.NUMBERS:
        yield f"CASE WHEN isfinite(CAST({name} AS DOUBLE)) THEN CAST({name} AS DOUBLE) END AS numbers{i}"
    elif column.stored == c.MOMENTS:
        yield f"CASE WHEN isfinite({name}) THEN CAST({name} AS TIMESTAMP) END AS moments{i}"


def _counts(table: ir.Table, i: int, column: Column, is_exact: bool) -> dict[str, ir.Scalar]:
    if column.stored == c.NESTED:
        return {"present": table[f"nested{i}"].count(), "distinct": ibis.literal(0)}
    return c.counts(column.stored, table[f"text{i}"], is_exact)


def _shape(answer: dict[str, Any], i: int, error: float) -> Shape:
    counted = {name.split(" ")[1]: n for name, n in answer.items() if name.startswith(f"{i} ")}
    forms = dict(counted.pop("forms", None) or {})
    counted["distinct"] = min(counted["distinct"], counted["present"])  # the estimate may exceed it
    return Shape(**{name: int(n or 0) for name, n in counted.items()}, error=error, forms=forms)


def _number(table: ir.Table, i: int, column: Column) -> ir.FloatingValue:
    return table[f"numbers{i}"] if column.stored == c.NUMBERS else c.number_of(table[f"text{i}"])


def _moment(table: ir.Table, i: int, column: Column, shape: Shape) -> ir.TimestampValue:
    if column.stored == c.MOMENTS:
        return table[f"moments{i}"]
    return c.moment_of(table[f"text{i}"], shape.date_form)


def _cell(table: ir.Table, i: int) -> ir.StructValue:
    return ibis.struct({"column": ibis.literal(i, "int64"), "value": table[f"text{i}"]})


def _shown(value: float | str | None) -> str | None:
    """An extreme as a text: a moment at midnight as its date, a whole number without a point."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.removesuffix(" 00:00:00")
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else str(value)
