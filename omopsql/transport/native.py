"""The native transport: kernels compiled to DuckDB's callbacks and loaded like an extension.

``duckdb_register_static_extension`` makes the functions present in every database that this process opens
afterwards. A callback cannot raise, so a kernel answers every input; NULLs are copied here, not in kernels.
"""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Iterable
from typing import Any

import duckdb
from numba import cfunc, njit

from omopsql.registry import Function, kernels

from . import PREFIX, capi, native_table
from .capi import SCALAR_SIGNATURE

_kept: list[Any] = []  # callbacks must outlive every database of the process

_VIEWS = {"DOUBLE": "float64_at", "BIGINT": "int64_at", "BOOLEAN": "bool_at"}


@njit(inline="always")
def copy_nulls(source, target, size):
    """Make every row NULL in ``target`` that is NULL in ``source``."""
    validity = capi.vector_validity(source)
    if validity != 0:
        capi.vector_writable_validity(target)
        words = (size + 63) >> 6
        read = capi.uint64_at(validity, words)
        write = capi.uint64_at(capi.vector_validity(target), words)
        for i in range(words):
            write[i] &= read[i]


def _callback_source(function: Function) -> str:
    """Write the loop over one chunk for a kernel: Numba has no way to loop over a varying number of vectors."""
    arguments = range(len(function.parameters))
    lines = [f"def {PREFIX}{function.name}(info, chunk, out):", "    size = chunk_size(chunk)"]
    for i, parameter in enumerate(function.parameters):
        lines += [
            f"    vector_{i} = chunk_vector(chunk, {i})",
            f"    values_{i} = {_VIEWS[parameter.type]}(vector_data(vector_{i}), size)",
        ]
    lines += [
        f"    results = {_VIEWS[function.returns]}(vector_data(out), size)",
        "    for i in range(size):",
        f"        results[i] = kernel({', '.join(f'values_{i}[i]' for i in arguments)})",
        *(f"    copy_nulls(vector_{i}, out, size)" for i in arguments),
    ]
    return "\n".join(lines)


def compile_callback(function: Function) -> Any:
    """Compile a kernel to a DuckDB scalar callback. The code is cached beside the kernel's own file."""
    namespace = {**vars(capi), "copy_nulls": copy_nulls, "kernel": function.body}
    source = compile(_callback_source(function), inspect.getfile(function.body.py_func), "exec")
    exec(source, namespace)
    chunk_loop = namespace[PREFIX + function.name]
    try:
        return cfunc(SCALAR_SIGNATURE, error_model="numpy", cache=True)(chunk_loop)
    except RuntimeError:  # no writable place for the cache
        return cfunc(SCALAR_SIGNATURE, error_model="numpy")(chunk_loop)


class Types:
    """Logical types that are freed when the registration of a function is over."""

    def __init__(self) -> None:
        self._made: list[ctypes.c_void_p] = []

    def __enter__(self) -> Types:
        return self

    def __exit__(self, *_: object) -> None:
        for made in self._made:
            capi.destroy_logical_type(ctypes.byref(made))

    def named(self, name: str) -> ctypes.c_void_p:
        """The type of a SQL name."""
        return self._keep(capi.logical_type(capi.TYPE_CODES[name]))

    def enum(self, labels: Iterable[str]) -> ctypes.c_void_p:
        """An ENUM of labels."""
        encoded = [label.encode() for label in labels]
        return self._keep(capi.enum_type((ctypes.c_char_p * len(encoded))(*encoded), len(encoded)))

    def _keep(self, handle: int) -> ctypes.c_void_p:
        self._made.append(ctypes.c_void_p(handle))
        return self._made[-1]


def _register_scalar(connection: ctypes.c_void_p, function: Function, callback: Any) -> None:
    declared = ctypes.c_void_p(capi.create_scalar())
    with Types() as made:
        capi.scalar_name(declared, (PREFIX + function.name).encode())
        for parameter in function.parameters:
            capi.scalar_parameter(declared, made.named(parameter.type))
        capi.scalar_returns(declared, made.named(function.returns))
        capi.scalar_callback(declared, callback.address)
        failed = capi.register_scalar(connection, declared)
        capi.destroy_scalar(ctypes.byref(declared))
    if failed:
        raise RuntimeError(f"DuckDB refused the function {PREFIX}{function.name}")


def _make_entry(callbacks: list[tuple[Function, Any]]) -> Any:
    """Build the C entry point that DuckDB calls for each database it opens."""

    @capi.EXTENSION_ENTRY
    def entry(info: int, access: Any) -> bool:
        try:
            connection = ctypes.c_void_p()
            database = access.contents.get_database(info)
            if capi.connect(database[0], ctypes.byref(connection)):
                raise RuntimeError("no connection to the database")
            try:
                for function, callback in callbacks:
                    _register_scalar(connection, function, callback)
                native_table.register(connection)
            finally:
                capi.disconnect(ctypes.byref(connection))
        except Exception as error:  # a C callback must not raise
            access.contents.set_error(info, f"omopsql: {error}".encode())
            return False
        return True

    return entry


def _register_extension(entry: Any) -> None:
    name = b"omopsql"

    @capi.EXTENSION_DESCRIBE
    def describe(description: Any) -> int:
        said = description.contents
        said.version, said.name, said.extension_version, said.api_version = 2, name, b"1", b"v1.2.0"
        said.entry_capi_v1 = ctypes.cast(entry, ctypes.c_void_p)
        return 0

    _kept.extend([entry, describe, name])
    if capi.register_static_extension(ctypes.cast(describe, ctypes.c_void_p)):
        raise RuntimeError("duckdb_register_static_extension failed")


def _self_test() -> None:
    with duckdb.connect() as con:
        query = f"SELECT {PREFIX}norm_cdf(x) FROM (VALUES (0.0::DOUBLE), (NULL)) AS t (x)"
        answer = con.execute(query).fetchall()
        if answer != [(0.5,), (None,)]:
            raise RuntimeError(f"the self-test answered {answer}")


def load() -> str | None:
    """Register the kernels for every database opened from now on. Returns the reason when that fails."""
    try:
        callbacks = [(function, compile_callback(function)) for function in kernels()]
        _kept.extend(callbacks)
        _register_extension(_make_entry(callbacks))
        _self_test()
    except (RuntimeError, OSError, AttributeError, duckdb.Error) as error:
        return str(error)
    return None
