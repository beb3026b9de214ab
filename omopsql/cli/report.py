"""A small table on the terminal: what a verb tells of its work, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

_WIDE = 10_000  # a file or a pipe has room for everything

Cell = str | int | float | None


def show_table(heads: Sequence[str], lines: Iterable[Sequence[Cell]]) -> None:
    """Print lines under their heads. Columns of numbers stand to the right; NULL is empty."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(lines)
    shown = Table(box=None, pad_edge=False)
    for position, head in enumerate(heads):
        is_number = all(isinstance(row[position], int | float) for row in rows)
        shown.add_column(head, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(_written(cell)) for cell in row))  # brackets in a cell are no markup
    Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _WIDE).print(shown)


def _written(cell: Cell) -> str:
    if isinstance(cell, int):
        return f"{cell:,}"
    return "" if cell is None else f"{cell:,.1f}" if isinstance(cell, float) else cell
