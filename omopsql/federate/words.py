"""A site's exact sums as words that anything can add that adds whole numbers modulo 2^64, and back.

Masked files are one way; the others (``multiparty``, ``homomorphic``, ``network``) take the same words.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError

from . import model_file
from .names import entries_of, statistics_of
from .primitives import Words
from .sketch import read_back, room_for, written


def words_of(cursor: duckdb.DuckDBPyConnection, model: str, room: int) -> Words:
    """The words of a model fitted with for_merge, as a table with ``room``. Raises OmopsqlError when it has none."""
    entries = entries_of(model_file.read(cursor, model).statistics)
    if len(entries) > room:
        needed = room_for(len(entries))
        raise OmopsqlError(f"{model} has {len(entries):,} statistics, and room is {room:,}; say a room of {needed}")
    return written(entries, room)


def model_of(words: Words, room: int, for_merge: bool = False, name: str = "the sum") -> pa.Table:
    """What ``merge`` of all sites' models would give, from the sum of their words."""
    return model_file.total(statistics_of(read_back(words, room, name), name), for_merge, name)
