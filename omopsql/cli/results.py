"""The rows of a query as CSV, JSON or a table for the eye. DuckDB writes every value as text itself."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from itertools import accumulate
from typing import IO, Literal, TextIO

import duckdb
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from omopsql.relation import arrow_reader

Row = tuple[str | None, ...]

SHOWN_ROWS = 40
_WIDEST_CELL = 50
_BATCH = 10_000
_TEXT = "CAST(COLUMNS(*) AS VARCHAR)"
_AS_CSV = f"""
    CASE
        WHEN COLUMNS(*) IS NULL THEN ''
        WHEN {_TEXT} = '' OR regexp_matches({_TEXT}, '[",\\r\\n]') THEN '"' || replace({_TEXT}, '"', '""') || '"'
        ELSE {_TEXT}
    END
"""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$")


def run(con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation | None:
    """Run every statement but the last, and give the last one as a relation; None when it answers no rows."""
    last = con.extract_statements(sql)[-1]
    relation = con.sql(sql)
    if relation is None or relation.columns == ["Success"]:
        return None
    if relation.columns == ["Count"] and last.type != duckdb.StatementType.SELECT:  # how many rows were changed
        return None
    return relation


def _write_rows(texts: duckdb.DuckDBPyRelation, out: IO[bytes], between: bytes) -> None:
    """Write the one text of every row, and ``between`` before each but the first."""
    before = b""
    for batch in arrow_reader(texts, _BATCH):
        if batch.num_rows:
            out.write(before + between.join(text.encode() for text in batch.column(0).to_pylist()))
            before = between


def write_csv(relation: duckdb.DuckDBPyRelation, out: IO[bytes]) -> None:
    """Write CSV with a header, as DuckDB's COPY does: NULL is empty, an empty text is a pair of quotes."""
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(relation.columns)
    out.write(header.getvalue().encode())
    _write_rows(relation.project(_AS_CSV).project("concat_ws(',', *COLUMNS(*)) || chr(10)"), out, b"")
    out.flush()


def write_json(relation: duckdb.DuckDBPyRelation, out: IO[bytes]) -> None:
    """Write one JSON array with an object a row, a row a line."""
    row = "row"
    while row in map(str.lower, relation.columns):  # a column of that name would come first
        row += "_"
    out.write(b"[\n")
    _write_rows(relation.set_alias(row).project(f"CAST(to_json({row}) AS VARCHAR)"), out, b",\n")
    out.write(b"\n]\n")
    out.flush()


WRITERS: dict[str, Callable[[duckdb.DuckDBPyRelation, IO[bytes]], None]] = {"csv": write_csv, "json": write_json}


def as_table(relation: duckdb.DuckDBPyRelation, stream: TextIO | None = None) -> str:
    """Draw the first rows as a table, and say how many more there are. On a terminal it keeps to the width."""
    rows, total = _first_rows(relation)
    names = relation.columns
    console = Console(file=stream or io.StringIO(), highlight=False)
    widths = [
        max(cell_len(_in_one_line(text)) for text in (name, *(row[i] for row in rows))) for i, name in enumerate(names)
    ]
    if console.is_terminal:
        widths = [min(width, _WIDEST_CELL) for width in widths]
        drawn = _that_fit(widths, console.width)
    else:  # a file or a pipe has room for everything
        drawn = len(names)
        console.width = sum(widths) + 3 * len(widths) + 1
    table = Table(box=box.ROUNDED)
    for name, sql_type, width in list(zip(names, relation.types, widths, strict=True))[:drawn]:
        side: Literal["left", "right"] = "right" if _NUMBER.match(str(sql_type)) else "left"
        table.add_column(Text(_in_one_line(name)), justify=side, no_wrap=True, max_width=width)
    for row in rows:
        table.add_row(*(Text(_in_one_line(cell), style="" if cell is not None else "dim") for cell in row[:drawn]))
    with console.capture() as drawing:
        console.print(table)
    return drawing.get() + _left_out(total, len(names) - drawn)


def _first_rows(relation: duckdb.DuckDBPyRelation) -> tuple[list[Row], int]:
    """Return the rows to show, and how many there are in all."""
    rows: list[Row] = []
    total = 0
    for batch in arrow_reader(relation.project(_TEXT), _BATCH):
        shown = batch.slice(0, max(0, SHOWN_ROWS - total))
        rows.extend(zip(*(column.to_pylist() for column in shown.columns), strict=True))
        total += batch.num_rows
    return rows, total


def _in_one_line(cell: str | None) -> str:
    """Show a cell's line breaks and other control characters as escapes: they would break the table."""
    if cell is None:
        return "NULL"
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], cell)


def _that_fit(widths: list[int], room: int) -> int:
    """Count the columns that fit beside each other, at least one."""
    edges = accumulate(width + 3 for width in widths)  # a line and two blanks each
    return max(1, sum(edge + 1 <= room for edge in edges))


def _left_out(rows: int, columns: int) -> str:
    lines = ""
    if rows > SHOWN_ROWS:
        lines += f"{SHOWN_ROWS} of {rows:,} rows shown, {rows - SHOWN_ROWS:,} more (--format csv shows all)\n"
    if columns:
        lines += f"{columns} more column{'s' * (columns > 1)} to the right (--format csv shows all)\n"
    return lines
