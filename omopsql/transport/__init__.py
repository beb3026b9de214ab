"""How a kernel reaches DuckDB: natively through the C API of the ``duckdb`` wheel, or over Arrow.

Both transports offer the same functions with the same results. The environment variable ``OMOPSQL_TRANSPORT``
(``native`` or ``arrow``) forces one; otherwise native is used wherever it loads.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import duckdb

from omopsql.errors import OmopsqlError

VARIABLE = "OMOPSQL_TRANSPORT"
PREFIX = "omopsql_"


def forced() -> str | None:
    """Return the transport that the environment asks for, or None."""
    choice = os.environ.get(VARIABLE) or None
    if choice not in (None, "native", "arrow"):
        raise OmopsqlError(f"{VARIABLE} is {choice!r}; set it to native or arrow, or leave it unset")
    return choice


def _unsupported() -> str | None:
    """Say why this DuckDB cannot take native functions, or None. Only releases that were tested may."""
    if duckdb.__version__.split(".")[:2] != ["2", "0"]:
        return f"DuckDB {duckdb.__version__} is not 2.0"
    return None


@cache
def load_native() -> bool:
    """Make the native functions present in every database opened from now on; say whether they are.

    Raises OmopsqlError when native is forced and does not load.
    """
    choice = forced()
    if choice == "arrow":
        return False
    reason = _unsupported()
    if not reason:
        from . import native  # compiles callbacks against the C API: only where that exists

        reason = native.load()
    if reason and choice == "native":
        raise OmopsqlError(f"{VARIABLE}=native, but the native transport does not load: {reason}")
    return not reason


def add_function(
    con: duckdb.DuckDBPyConnection,
    name: str,
    function: Callable[..., Any],
    parameters: list[str],
    returns: str,
    *,
    arrow: bool = True,
    side_effects: bool = False,
) -> None:
    """Register a ``*arguments`` function on the database of a connection. It is handed NULLs as they are.

    Keep the function for the process: DuckDB frees those of a closed connection, while others still call them.
    """
    positional = inspect.Parameter.POSITIONAL_ONLY
    named = [inspect.Parameter(f"argument_{i}", positional) for i in range(len(parameters))]
    function.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]  # DuckDB reads it
    con.create_function(  # type: ignore[call-overload]
        name,
        function,
        parameters,
        returns,
        type="arrow" if arrow else "native",
        null_handling="special",
        side_effects=side_effects,
    )
