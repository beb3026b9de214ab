"""What became of every source row, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def shown_report(report: pa.Table) -> None:
    """Print the lines of a harmonize report as a table, to stderr."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for name in report.column_names:
        shown.add_column(name.replace("_", " "), justify="right" if name == "rows" else "left", overflow="fold")
    for line in zip(*(column.to_pylist() for column in report.columns), strict=True):
        shown.add_row(*("" if value is None else f"{value:,}" if isinstance(value, int) else value for value in line))
    Console(stderr=True).print(shown)
