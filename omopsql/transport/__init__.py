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


def with_arity(function: Callable[..., Any], size: int) -> Callable[..., Any]:
    """Give a ``*arguments`` function a signature of ``size`` parameters: DuckDB reads the signature."""
    positional = inspect.Parameter.POSITIONAL_ONLY
    parameters = [inspect.Parameter(f"argument_{i}", positional) for i in range(size)]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function
