"""Work that takes long: a bar on the terminal after two seconds, and Ctrl-C that is heard at once.

DuckDB looks for signals rarely while it writes a file. So a query runs in a thread of its own, and the main thread
waits, draws the bar and hears the signal. Work of many queries has no share that is done; it tells its steps instead.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")

SHOWN_AFTER = 2.0  # seconds
_REDRAWN_EVERY = 0.2
_INTERRUPTED_EVERY = 0.01
_TIME_TO_STOP = 2.0
_THREAD = "omopsql-work"


Tell = Callable[[str], None]


@dataclass
class _Bar:
    """What the bar shows: what is being done, and how much of it, where DuckDB knows."""

    doing: str
    has_share: bool
    is_shown: bool = True
    is_stopped: bool = False

    def tell(self, doing: str) -> None:
        """Take over what the work says that it does now. Raises KeyboardInterrupt in work that shall stop."""
        if self.is_stopped:
            raise KeyboardInterrupt
        self.doing = doing


def watched(con: duckdb.DuckDBPyConnection, work: Callable[[], T], doing: str, *, bar: bool = True) -> T:
    """Run ``work``, one query of ``con``, and return what it returns. ``doing`` stands before the bar."""
    return _watched(con, work, _Bar(doing, has_share=True, is_shown=bar))


def watched_steps(con: duckdb.DuckDBPyConnection, work: Callable[[Tell], T], doing: str) -> T:
    """Run ``work``, many queries of ``con``, and return what it returns. It tells its steps to what it is given."""
    bar = _Bar(doing, has_share=False)
    return _watched(con, lambda: work(bar.tell), bar)


def _watched(con: duckdb.DuckDBPyConnection, work: Callable[[], T], bar: _Bar) -> T:
    outcome: Future[T] = Future()
    threading.Thread(target=_attempt, args=(work, outcome), name=_THREAD, daemon=True).start()
    try:
        try:
            return outcome.result(SHOWN_AFTER)
        except TimeoutError:
            if outcome.done():  # the work itself raised it
                raise
        if bar.is_shown and sys.stderr.isatty():
            _draw(con, outcome, bar)
        return outcome.result()
    except KeyboardInterrupt:
        bar.is_stopped = True
        if _stopped(con, outcome):
            raise
        return outcome.result()  # it was done before it heard


def still_running() -> bool:
    """Whether work goes on although Ctrl-C told it to stop."""
    return any(thread.name == _THREAD for thread in threading.enumerate())


def _attempt(work: Callable[[], T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # the main thread raises it
        outcome.set_exception(error)


def _stopped(con: duckdb.DuckDBPyConnection, outcome: Future[T]) -> bool:
    """Stop the work, or give it up after some time. False when it came to its end all the same.

    An interrupt is lost when no query runs, so it is sent until the work ends.
    """
    deadline = time.monotonic() + _TIME_TO_STOP
    while time.monotonic() < deadline:
        con.interrupt()
        try:
            return outcome.exception(_INTERRUPTED_EVERY) is not None
        except TimeoutError:
            continue
    return True


def _draw(con: duckdb.DuckDBPyConnection, outcome: Future[T], bar: _Bar) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    named = TextColumn("{task.description}", markup=False)  # a file's name may hold brackets
    columns = (named, BarColumn(), TextColumn("{task.fields[share]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(bar.doing, total=None, share="")
        while not outcome.done():
            progress.update(task, description=bar.doing)
            percent = con.query_progress() if bar.has_share else 0.0
            if 0.0 < percent <= 100.0:  # DuckDB knows how far it is
                progress.update(task, total=100.0, completed=percent, share=f"{percent:.0f}%")
            try:
                outcome.exception(_REDRAWN_EVERY)
            except TimeoutError:
                continue
