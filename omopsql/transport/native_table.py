"""The native table function ``omopsql_generate(handle, n, seed)``: rows of a generator, written into DuckDB's chunks.

The bind data is one block of memory that holds the model itself, so DuckDB alone decides how long it lives. Columns:
``row_number``, then one a slot: DOUBLE for numbers, ENUM for labels.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numba import cfunc, njit

from omopsql.udfs.flat import fill_table

from . import PREFIX, capi, generator
from .capi import INIT_SIGNATURE, TABLE_SIGNATURE, float64_at, int64_at
from .generator import BLOCK, Generator

# Header of the bind data, in int64 words; the slots' byte widths, then ``ints``, then ``reals`` follow it.
_N, _SEED, _SLOTS, _INTS, _REALS, _HEADER = range(6)
_ROWS_A_THREAD = 65_536


@njit(nogil=True)
def _widths_at(bind):
    return bind + 8 * _HEADER


@cfunc(INIT_SIGNATURE, cache=True)
def _init(info):
    """Note which columns are wanted: [next row, column count, column indices...]."""
    bind = int64_at(capi.init_bind_data(info), _HEADER)
    columns = capi.init_column_count(info)
    address = capi.allocate(8 * (2 + columns))
    state = int64_at(address, 2 + columns)
    state[0] = 0
    state[1] = columns
    for i in range(columns):
        state[2 + i] = capi.init_column_index(info, i)
    capi.init_set_data(info, address, capi.address_of_free())
    capi.init_max_threads(info, max(1, (bind[_N] + _ROWS_A_THREAD - 1) // _ROWS_A_THREAD))


@njit(nogil=True, inline="always")
def _write_numbers(values, vector, count):
    """Copy doubles into a vector; NaN becomes NULL."""
    target = float64_at(capi.vector_data(vector), count)
    has_null = False
    for i in range(count):
        target[i] = values[i]
        has_null |= values[i] != values[i]
    if has_null:
        _write_nulls(values, vector, count)


@njit(nogil=True)
def _write_nulls(values, vector, count):
    capi.vector_writable_validity(vector)
    valid = capi.uint64_at(capi.vector_validity(vector), (count + 63) >> 6)
    for i in range(count):
        if values[i] != values[i]:
            valid[i >> 6] &= ~(np.uint64(1) << np.uint64(i & 63))


@njit(nogil=True, inline="always")
def _write_codes(values, vector, count, width):
    """Write label codes as the unsigned integers of an ENUM, ``width`` bytes each; NaN becomes NULL."""
    address = capi.vector_data(vector)
    has_null = False
    for i in range(count):
        has_null |= values[i] != values[i]
    if width == 1:
        bytes_ = capi.uint8_at(address, count)
        for i in range(count):
            bytes_[i] = np.uint8(values[i]) if values[i] == values[i] else np.uint8(0)
    elif width == 2:
        shorts = capi.uint16_at(address, count)
        for i in range(count):
            shorts[i] = np.uint16(values[i]) if values[i] == values[i] else np.uint16(0)
    else:
        words = capi.uint32_at(address, count)
        for i in range(count):
            words[i] = np.uint32(values[i]) if values[i] == values[i] else np.uint32(0)
    if has_null:
        _write_nulls(values, vector, count)


@cfunc(TABLE_SIGNATURE, error_model="numpy", cache=True)
def _write_chunk(info, chunk):
    """Write the next chunk of rows: generate them once, then copy the columns that are wanted."""
    address = capi.function_bind_data(info)
    bind = int64_at(address, _HEADER)
    state_address = capi.function_init_data(info)
    first = capi.atomic_add(state_address, BLOCK)
    count = min(BLOCK, bind[_N] - first)
    if count <= 0:
        capi.chunk_set_size(chunk, 0)
        return
    slots = bind[_SLOTS]
    widths = int64_at(_widths_at(address), slots)
    ints_address = _widths_at(address) + 8 * slots
    ints = int64_at(ints_address, bind[_INTS])
    reals = float64_at(ints_address + 8 * bind[_INTS], bind[_REALS])
    columns = int64_at(state_address, 2)[1]
    wanted = int64_at(state_address, 2 + columns)
    out = np.empty((slots, count))
    generated = False
    for i in range(columns):
        column = wanted[2 + i]
        vector = capi.chunk_vector(chunk, i)
        if column == 0:
            numbers = int64_at(capi.vector_data(vector), count)
            for row in range(count):
                numbers[row] = first + row + 1
        elif column <= slots:
            if not generated:
                fill_table(ints, reals, bind[_SEED], first, out)
                generated = True
            if widths[column - 1] == 0:
                _write_numbers(out[column - 1], vector, count)
            else:
                _write_codes(out[column - 1], vector, count, widths[column - 1])
    capi.chunk_set_size(chunk, count)


def _enum_width(labels: tuple[str, ...] | None) -> int:
    """Bytes of an ENUM's physical type; 0 marks a number slot."""
    if labels is None:
        return 0
    return 1 if len(labels) <= 0xFF else 2 if len(labels) <= 0xFFFF else 4


def _bind_data(made: Generator, n: int, seed: int) -> np.ndarray:
    widths = [_enum_width(slot) for slot in made.slots]
    header = np.array([n, seed, len(made.slots), made.ints.size, made.reals.size, *widths], np.int64)
    return np.concatenate([header, made.ints, made.reals.view(np.int64)])


def _argument(info: int, position: int) -> int:
    value = ctypes.c_void_p(capi.bind_parameter(info, position))
    try:
        if capi.value_is_null(value):
            raise ValueError("an argument is NULL")
        return int(capi.value_int64(value))
    finally:
        capi.destroy_value(ctypes.byref(value))


@capi.BIND_CALLBACK
def _bind(info: int) -> None:
    from .native import Types

    try:
        handle, n, seed = (_argument(info, i) for i in range(3))
        made = generator.kept(handle)
        with Types() as types:
            capi.bind_result_column(info, b"row_number", types.named("BIGINT"))
            for i, slot in enumerate(made.slots):
                slot_type = types.named("DOUBLE") if slot is None else types.enum(slot)
                capi.bind_result_column(info, f"slot_{i}".encode(), slot_type)
        data = _bind_data(made, n, seed)
        address = capi.malloc(data.nbytes)
        ctypes.memmove(address, data.ctypes.data, data.nbytes)
        capi.bind_set_data(info, address, capi.FREE_ADDRESS)
        capi.bind_cardinality(info, n, True)
    except Exception as error:  # a C callback must not raise
        capi.bind_error(info, f"omopsql: {error}".encode())


def register(connection: ctypes.c_void_p) -> None:
    """Register the table function on one database."""
    from .native import Types

    declared = ctypes.c_void_p(capi.create_table())
    with Types() as types:
        capi.table_name(declared, f"{PREFIX}generate".encode())
        for _ in range(3):
            capi.table_parameter(declared, types.named("BIGINT"))
        capi.table_bind(declared, ctypes.cast(_bind, ctypes.c_void_p))
        capi.table_init(declared, _init.address)
        capi.table_callback(declared, _write_chunk.address)
        capi.table_pushdown(declared, True)
        failed = capi.register_table(connection, declared)
        capi.destroy_table(ctypes.byref(declared))
    if failed:
        raise RuntimeError(f"DuckDB refused the table function {PREFIX}generate")
