"""The Arrow transport: kernels as Python functions over Arrow columns. Works on every DuckDB and connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import duckdb
import numba
import numpy as np
import pyarrow as pa

from omopsql.registry import Function, kernels

from . import PREFIX, add_function

_NUMPY = {"DOUBLE": np.float64, "BIGINT": np.int64, "BOOLEAN": np.bool_}


_compiling = threading.Lock()  # DuckDB calls from several threads


@cache
def _compiled(function: Function) -> Any:
    ufunc = numba.vectorize(function.body.py_func)
    ufunc(*(np.zeros(1, _NUMPY[parameter.type]) for parameter in function.parameters))
    return ufunc


def _ufunc(function: Function) -> Any:
    """Compile the kernel to a NumPy ufunc: the loop over columns of any arity, while the kernel stays scalar."""
    with _compiling:
        return _compiled(function)


def _as_numpy(column: pa.ChunkedArray | pa.Array, dtype: Any) -> np.ndarray:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.null_count:
        column = column.fill_null(0)
    return np.ascontiguousarray(column.to_numpy(zero_copy_only=False), dtype=dtype)


@cache
def _over_arrow(function: Function) -> Callable[..., pa.Array]:
    dtypes = [_NUMPY[parameter.type] for parameter in function.parameters]

    def call(*columns: pa.ChunkedArray) -> pa.Array:
        with np.errstate(all="ignore"):  # NaN and infinity are answers, not warnings
            results = np.atleast_1d(_ufunc(function)(*map(_as_numpy, columns, dtypes)))
        missing = np.zeros(len(results), dtype=bool)
        for column in columns:
            if column.null_count:
                missing |= column.is_null().to_numpy()
        return pa.array(results, mask=missing if missing.any() else None)

    return call


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Register every kernel on the database of one connection."""
    for function in kernels():
        types = [parameter.type for parameter in function.parameters]
        add_function(con, PREFIX + function.name, _over_arrow(function), types, function.returns)
