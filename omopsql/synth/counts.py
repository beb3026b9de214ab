"""Counts of one column, as Ibis expressions: every number in them is a sum over rows."""

from __future__ import annotations

from functools import cache

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from omopsql.quoting import identifier
from omopsql.relation import Relation

from .columns import (
    CATEGORY,
    DATE_PATTERN,
    NUMBER_PATTERN,
    PADDED_PATTERN,
    UNLEARNED,
    first_kind,
    ibis_type,
    number,
    number_in_text,
)

SOURCE = "omopsql_source"
COARSE_ROWS = 10_000_000  # sources of more rows are counted by coarser buckets
_COARSER = 1 << 12
COLUMN = "omopsql_column"  # the one column that is being counted


@ibis.udf.scalar.builtin(name="omopsql_value_bucket")
def value_bucket(x: float) -> int:
    """Public bucket of a number."""


@ibis.udf.scalar.builtin(name="omopsql_resolution")
def resolution(x: float) -> float:
    """Step that a number is a multiple of."""


def create_source(cursor: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    """Make the source readable as the temporary view that every expression reads. Labels of any type become text."""
    labels = [n for n, t in relation.columns.items() if first_kind(t) == CATEGORY and t != "VARCHAR"]
    replaced = ", ".join(f"CAST({identifier(name)} AS VARCHAR) AS {identifier(name)}" for name in labels)
    everything = f"SELECT * REPLACE ({replaced})" if labels else "SELECT *"
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW {SOURCE} AS {everything} FROM {relation.sql}")


def source_expression(columns: dict[str, str]) -> ir.Table:
    """The source as an Ibis table, under the name of its view."""
    schema = {name: ibis_type(sql_type) for name, sql_type in columns.items() if first_kind(sql_type) != UNLEARNED}
    return ibis.table(schema, name=SOURCE)


def count(cursor: duckdb.DuckDBPyConnection, name: str, query: str) -> pa.Table:
    """Run a counting query over one column of the source. Sums come back as 64-bit integers."""
    read = f"SELECT {identifier(name)} AS v FROM {SOURCE}"
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW {COLUMN} AS {read}")
    table = cursor.sql(query).to_arrow_table()
    whole = [pa.field(f.name, pa.int64() if pa.types.is_decimal(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(whole))


@cache
def number_query(sql_type: str, min_cell: int, coarse: bool = False) -> str:
    """The query that counts a column of a number-like type."""
    column = ibis.table({"v": ibis_type(sql_type)}, name=COLUMN)
    values = column.select(value=number(column.v, sql_type))
    return str(ibis.to_sql(number_cells(values, min_cell, coarse), dialect="duckdb"))


@cache
def number_text_query(decimals: int, min_cell: int, coarse: bool = False) -> str:
    """The query that counts the numbers (or dates, ``decimals`` -1) in a text column."""
    column = ibis.table({"v": "string"}, name=COLUMN)
    values = column.select(value=number_in_text(column.v, decimals))
    return str(ibis.to_sql(number_cells(values, min_cell, coarse), dialect="duckdb"))


@cache
def label_query(min_cell: int) -> str:
    """The query that counts a column of labels."""
    column = ibis.table({"v": "string"}, name=COLUMN)
    return str(ibis.to_sql(label_counts(column.select(value=column.v), min_cell), dialect="duckdb"))


def number_cells(values: ir.Table, min_cell: int, coarse: bool = False) -> ir.Table:
    """Count a number line (column ``value``) by public bucket, by value where ``min_cell`` rows share it, by step.

    One row a distinct value, or, when ``coarse``, one row a millionth of the value: what memory holds of any source.
    """
    present = values.filter(values.value.notnull() & ~values.value.isnan() & ~values.value.isinf())
    counted = present.group_by("value").agg(n=ibis._.count())
    placed = counted.select(
        bucket=value_bucket(counted.value),
        atom=ibis.ifelse(counted.n >= min_cell, counted.value, ibis.null("float64")),
        step=resolution(counted.value),
        n=counted.n,
        values=ibis.literal(1, "int64"),
    )
    if not coarse:
        return placed
    coarser = placed.mutate(bucket=(placed.bucket // _COARSER).cast("int64") * _COARSER)
    return coarser.group_by("bucket", "atom", "step").agg(n=ibis._.n.sum(), values=ibis._["values"].sum())


def label_counts(values: ir.Table, min_cell: int) -> ir.Table:
    """Count the labels (column ``value``) that at least ``min_cell`` rows share; pool the rest in one NULL row.

    The pooled row also tells how many texts it holds, their characters and blanks, and how many rows look like numbers
    or dates and with how many decimals, so that identifiers, free text and numbers written as text are recognised.
    """
    present = values.filter(values.value.notnull())
    counted = present.group_by("value").agg(n=ibis._.count())
    text = counted.value
    digits = text.re_extract(r"\.([0-9]+)$", 1).length()
    is_number = text.re_search(NUMBER_PATTERN)
    told = counted.mutate(
        label=ibis.ifelse(counted.n >= min_cell, text, ibis.null("string")),
        characters=text.length() * counted.n,
        blanks=(text.length() - text.replace(" ", "").length()) * counted.n,
        numbers=ibis.ifelse(is_number, counted.n, 0),
        dates=ibis.ifelse(text.re_search(DATE_PATTERN), counted.n, 0),
        padded=ibis.ifelse(text.re_search(PADDED_PATTERN), counted.n, 0),
        decimals=ibis.ifelse(is_number, digits, ibis.null("int64")),
    )
    return told.group_by("label").agg(
        n=told.n.sum(),
        values=told.count(),
        characters=told.characters.sum(),
        blanks=told.blanks.sum(),
        numbers=told.numbers.sum(),
        dates=told.dates.sum(),
        padded=told.padded.sum(),
        fewest_decimals=told.decimals.min(),
        most_decimals=told.decimals.max(),
    )
