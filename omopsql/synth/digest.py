"""What tells one model from another: the SHA-256 of its rows, wherever they are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def digest(model: pa.Table) -> str:
    """Hash the names and values of a model's columns, in the order of its rows.

    Texts, whole numbers and lists of them are hashed, not how Arrow or Parquet lay them out: a model in a table and its
    copy in a file have the same digest.
    """
    hashed = hashlib.sha256()
    for name, column in zip(model.column_names, model.columns, strict=True):
        hashed.update(f"{name}\n".encode())
        for part in _content(column.combine_chunks()):
            hashed.update(part)
    return hashed.hexdigest()


def _content(values: pa.Array) -> Iterator[bytes]:
    """Yield which values are there, how long each is, and the values themselves."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    yield np.packbits(pc.is_valid(values).to_numpy(zero_copy_only=False)).tobytes()
    if pa.types.is_list(values.type):
        yield _whole(pc.fill_null(pc.list_value_length(values), 0))
        yield from _content(values.flatten())
    elif pa.types.is_string(values.type):
        yield _whole(pc.fill_null(pc.binary_length(values), 0))
        yield "".join(filter(None, values.to_pylist())).encode()
    else:
        yield _whole(pc.fill_null(values, 0))


def _whole(numbers: pa.Array) -> bytes:
    return np.ascontiguousarray(numbers.to_numpy(zero_copy_only=False), "<i8").tobytes()
