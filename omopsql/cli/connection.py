"""The connection of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .watch import still_running

if TYPE_CHECKING:
    import duckdb


@contextmanager
def connected(database: Path | None, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database file, or an empty database in memory, with every function, and close it at the end."""
    import omopsql

    con = omopsql.connect(database, read_only=read_only) if database else omopsql.connect()
    con.execute("SET enable_progress_bar = true")  # counts how far a query is
    con.execute("SET enable_progress_bar_print = false")  # and leaves the drawing to us
    try:
        yield con
    finally:
        if not still_running():  # a busy connection cannot be closed; the process ends with it
            con.close()
