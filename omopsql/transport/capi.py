"""DuckDB's C API as the ``duckdb`` wheel exports it: once for Numba code, once for Python callbacks.

Functions named here are those of ``duckdb.h``. The Numba side carries every handle as an int64.
"""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

HANDLE = types.int64
_POINTER = ctypes.c_void_p
_OUT = ctypes.POINTER(ctypes.c_void_p)
_TEXT = ctypes.c_char_p
_INDEX = ctypes.c_uint64


def _open_library() -> ctypes.CDLL:
    import _duckdb

    return ctypes.CDLL(_duckdb.__file__)


library = _open_library()


def _for_numba(name: str, returns: Any, *arguments: Any) -> Any:
    """Declare a C function to Numba by name, so that compiled callers can be cached on disk."""
    llvm.add_symbol(name, ctypes.cast(getattr(library, name), _POINTER).value)
    return types.ExternalFunction(name, returns(*arguments))


chunk_size = _for_numba("duckdb_data_chunk_get_size", HANDLE, HANDLE)
chunk_set_size = _for_numba("duckdb_data_chunk_set_size", types.void, HANDLE, HANDLE)
chunk_vector = _for_numba("duckdb_data_chunk_get_vector", HANDLE, HANDLE, HANDLE)
vector_data = _for_numba("duckdb_vector_get_data", HANDLE, HANDLE)
vector_validity = _for_numba("duckdb_vector_get_validity", HANDLE, HANDLE)
vector_writable_validity = _for_numba("duckdb_vector_ensure_validity_writable", types.void, HANDLE)
function_bind_data = _for_numba("duckdb_function_get_bind_data", HANDLE, HANDLE)
function_init_data = _for_numba("duckdb_function_get_init_data", HANDLE, HANDLE)
init_bind_data = _for_numba("duckdb_init_get_bind_data", HANDLE, HANDLE)
init_column_count = _for_numba("duckdb_init_get_column_count", HANDLE, HANDLE)
init_column_index = _for_numba("duckdb_init_get_column_index", HANDLE, HANDLE, HANDLE)
init_set_data = _for_numba("duckdb_init_set_init_data", types.void, HANDLE, HANDLE, HANDLE)
init_max_threads = _for_numba("duckdb_init_set_max_threads", types.void, HANDLE, HANDLE)
allocate = _for_numba("duckdb_malloc", HANDLE, HANDLE)


@intrinsic
def _as_pointer(typing_context, address, dtype):  # type: ignore[no-untyped-def]
    pointer = types.CPointer(dtype.dtype)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64, dtype), generate


@intrinsic
def atomic_add(typing_context, address, value):  # type: ignore[no-untyped-def]
    """Add to the int64 at ``address`` and return what stood there before, as one step among threads."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        target = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", target, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def address_of_free(typing_context):  # type: ignore[no-untyped-def]
    """Address of ``duckdb_free``, looked up when the code is loaded: a constant would go stale in a cache."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        shape = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, shape, "duckdb_free")
        return builder.ptrtoint(function, ir.IntType(64))

    return types.int64(), generate


@njit(inline="always")
def float64_at(address, size):
    """View ``size`` doubles at an address."""
    return numba.carray(_as_pointer(address, np.float64), (size,))


@njit(inline="always")
def int64_at(address, size):
    """View ``size`` 64-bit integers at an address."""
    return numba.carray(_as_pointer(address, np.int64), (size,))


@njit(inline="always")
def uint64_at(address, size):
    """View ``size`` unsigned 64-bit words at an address."""
    return numba.carray(_as_pointer(address, np.uint64), (size,))


@njit(inline="always")
def uint32_at(address, size):
    """View ``size`` unsigned 32-bit words at an address."""
    return numba.carray(_as_pointer(address, np.uint32), (size,))


@njit(inline="always")
def uint16_at(address, size):
    """View ``size`` unsigned 16-bit words at an address."""
    return numba.carray(_as_pointer(address, np.uint16), (size,))


@njit(inline="always")
def uint8_at(address, size):
    """View ``size`` bytes at an address."""
    return numba.carray(_as_pointer(address, np.uint8), (size,))


@njit(inline="always")
def bool_at(address, size):
    """View ``size`` booleans at an address."""
    return numba.carray(_as_pointer(address, np.bool_), (size,))


def _for_python(name: str, returns: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = returns, list(arguments)
    return function


connect = _for_python("duckdb_connect", ctypes.c_int, _POINTER, _OUT)
disconnect = _for_python("duckdb_disconnect", None, _OUT)
free = _for_python("duckdb_free", None, _POINTER)
malloc = _for_python("duckdb_malloc", _POINTER, ctypes.c_size_t)
register_static_extension = _for_python("duckdb_register_static_extension", ctypes.c_int32, _POINTER)

logical_type = _for_python("duckdb_create_logical_type", _POINTER, ctypes.c_int)
enum_type = _for_python("duckdb_create_enum_type", _POINTER, ctypes.POINTER(_TEXT), _INDEX)
destroy_logical_type = _for_python("duckdb_destroy_logical_type", None, _OUT)

create_scalar = _for_python("duckdb_create_scalar_function", _POINTER)
destroy_scalar = _for_python("duckdb_destroy_scalar_function", None, _OUT)
scalar_name = _for_python("duckdb_scalar_function_set_name", None, _POINTER, _TEXT)
scalar_parameter = _for_python("duckdb_scalar_function_add_parameter", None, _POINTER, _POINTER)
scalar_returns = _for_python("duckdb_scalar_function_set_return_type", None, _POINTER, _POINTER)
scalar_callback = _for_python("duckdb_scalar_function_set_function", None, _POINTER, _POINTER)
register_scalar = _for_python("duckdb_register_scalar_function", ctypes.c_int, _POINTER, _POINTER)

create_table = _for_python("duckdb_create_table_function", _POINTER)
destroy_table = _for_python("duckdb_destroy_table_function", None, _OUT)
table_name = _for_python("duckdb_table_function_set_name", None, _POINTER, _TEXT)
table_parameter = _for_python("duckdb_table_function_add_parameter", None, _POINTER, _POINTER)
table_bind = _for_python("duckdb_table_function_set_bind", None, _POINTER, _POINTER)
table_init = _for_python("duckdb_table_function_set_init", None, _POINTER, _POINTER)
table_callback = _for_python("duckdb_table_function_set_function", None, _POINTER, _POINTER)
table_pushdown = _for_python("duckdb_table_function_supports_projection_pushdown", None, _POINTER, ctypes.c_bool)
register_table = _for_python("duckdb_register_table_function", ctypes.c_int, _POINTER, _POINTER)

bind_parameter = _for_python("duckdb_bind_get_parameter", _POINTER, _POINTER, _INDEX)
bind_result_column = _for_python("duckdb_bind_add_result_column", None, _POINTER, _TEXT, _POINTER)
bind_set_data = _for_python("duckdb_bind_set_bind_data", None, _POINTER, _POINTER, _POINTER)
bind_cardinality = _for_python("duckdb_bind_set_cardinality", None, _POINTER, _INDEX, ctypes.c_bool)
bind_error = _for_python("duckdb_bind_set_error", None, _POINTER, _TEXT)
value_is_null = _for_python("duckdb_is_null_value", ctypes.c_bool, _POINTER)
value_int64 = _for_python("duckdb_get_int64", ctypes.c_int64, _POINTER)
destroy_value = _for_python("duckdb_destroy_value", None, _OUT)

TYPE_CODES = {"BOOLEAN": 1, "BIGINT": 5, "DOUBLE": 11, "VARCHAR": 17}


class ExtensionDescription(ctypes.Structure):
    """``duckdb_extension_describe`` of DuckDB 2.0: what a statically registered extension says of itself."""

    _fields_ = [
        ("version", ctypes.c_uint32),
        ("set_error", _POINTER),
        ("internal", _POINTER),
        ("name", _TEXT),
        ("extension_version", _TEXT),
        ("api_version", _TEXT),
        ("entry_cpp", _POINTER),
        ("entry_capi_v1", _POINTER),
        ("entry_capi_v2", _POINTER),
        ("database_callback", _POINTER),
    ]


class ExtensionAccess(ctypes.Structure):
    """``duckdb_extension_access``: what an extension is handed when a database loads it."""

    _fields_ = [
        ("set_error", ctypes.CFUNCTYPE(None, _POINTER, _TEXT)),
        ("get_database", ctypes.CFUNCTYPE(_OUT, _POINTER)),
        ("get_api", _POINTER),
    ]


EXTENSION_ENTRY = ctypes.CFUNCTYPE(ctypes.c_bool, _POINTER, ctypes.POINTER(ExtensionAccess))
EXTENSION_DESCRIBE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(ExtensionDescription))
BIND_CALLBACK = ctypes.CFUNCTYPE(None, _POINTER)
SCALAR_SIGNATURE = types.void(HANDLE, HANDLE, HANDLE)  # function info, input chunk, output vector
TABLE_SIGNATURE = types.void(HANDLE, HANDLE)  # function info, output chunk
INIT_SIGNATURE = types.void(HANDLE)  # init info

FREE_ADDRESS = ctypes.cast(library.duckdb_free, _POINTER).value
llvm.add_symbol("duckdb_free", FREE_ADDRESS)
