"""Linear algebra on one thread: sums in another order differ in their last digits, and models are told apart by bytes.

It is quicker, too: matrices here are small, and threads that wait for each other keep a processor busy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

P = ParamSpec("P")
R = TypeVar("R")


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let all linear algebra of a function run on one thread."""

    @functools.wraps(function)
    def alone(*args: P.args, **named: P.kwargs) -> R:
        with threadpool_limits(1, user_api="blas"):
            return function(*args, **named)

    return alone
