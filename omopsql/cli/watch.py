"""Work that takes long: a bar on the terminal after two seconds, and Ctrl-C that is heard at once.

DuckDB looks for signals rarely while it writes a file. So a query runs in a thread of its own, and the main thread
waits, draws the bar and hears the signal.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")

SHOWN_AFTER = 2.0  # seconds
_REDRAWN_EVERY = 0.2
_TIME_TO_STOP = 2.0
_THREAD = "omopsql-work"


def watched(con: duckdb.DuckDBPyConnection, work: Callable[[], T], doing: str, *, bar: bool = True) -> T:
    """Run ``work``, which queries ``con``, and return what it returns. ``doing`` stands before the bar."""
    outcome: Future[T] = Future()
    threading.Thread(target=_attempt, args=(work, outcome), name=_THREAD, daemon=True).start()
    try:
        try:
            return outcome.result(SHOWN_AFTER)
        except TimeoutError:
            if outcome.done():  # the work itself raised it
                raise
        if bar and sys.stderr.isatty():
            _draw(con, outcome, doing)
        return outcome.result()
    except KeyboardInterrupt:
        con.interrupt()
        _wait_quietly(outcome)
        raise


def still_running() -> bool:
    """Whether work goes on although Ctrl-C told it to stop."""
    return any(thread.name == _THREAD for thread in threading.enumerate())


def _attempt(work: Callable[[], T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # the main thread raises it
        outcome.set_exception(error)


def _wait_quietly(outcome: Future[T]) -> None:
    try:
        outcome.exception(_TIME_TO_STOP)
    except TimeoutError:
        return


def _draw(con: duckdb.DuckDBPyConnection, outcome: Future[T], doing: str) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[share]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing, total=None, share="")
        while not outcome.done():
            percent = con.query_progress()
            if 0.0 < percent <= 100.0:  # DuckDB knows how far it is
                progress.update(task, total=100.0, completed=percent, share=f"{percent:.0f}%")
            try:
                outcome.exception(_REDRAWN_EVERY)
            except TimeoutError:
                continue
