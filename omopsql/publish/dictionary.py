"""The data dictionary of a release: a page for each table, and one file of all columns."""

from __future__ import annotations

import csv
from pathlib import Path

from .facts import Table

FOLDER = "dictionary"
COLUMNS = "columns.csv"


def write(tables: tuple[Table, ...], folder: Path) -> None:
    """Write ``<table>.md`` for each table, and ``columns.csv``, below ``folder``/dictionary."""
    place = folder / FOLDER
    place.mkdir()
    for table in tables:
        (place / f"{table.name}.md").write_text(page(table), encoding="utf-8")
    with (place / COLUMNS).open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file, lineterminator="\n")
        written.writerow(("table", "column", "type", "rows", "nulls", "description"))
        for table in tables:
            written.writerows(
                (table.name, column.name, column.type, table.rows, column.nulls, column.description)
                for column in table.columns
            )


def page(table: Table) -> str:
    """Tell a table in Markdown: what it holds, its files, and what each column means."""
    files = "\n".join(f"- `{file.path}`, {file.bytes:,} bytes" for file in table.files)
    lines = "\n".join(
        f"| `{cell(column.name)}` | {cell(column.type)} | {_filled(column.nulls, table.rows)} | "
        f"{cell(column.description)} |"
        for column in table.columns
    )
    return (
        f"# {table.name}\n\n{table.description} {table.rows:,} synthetic rows.\n\n{files}\n\n"
        f"| column | type | filled | meaning |\n|---|---|---|---|\n{lines}\n"
    )


def _filled(nulls: int, rows: int) -> str:
    return f"{1 - nulls / rows:.1%}" if rows else ""


def cell(text: str) -> str:
    """Write a text so that it stays within its cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
