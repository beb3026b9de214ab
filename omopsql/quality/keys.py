"""Proof that the keys of a large table differ, without a hash of each: a bit a possible key.

Counting how often each of a hundred million keys stands takes longer than all other checks of the table together.
"""

from __future__ import annotations

import numpy as np

from omopsql.quoting import identifier
from omopsql.relation import arrow_batches
from omopsql.udfs.keys import WORD, meet_keys

from .opened import Cdm, Family

_LARGE = 500_000  # rows; below, a hash is quick enough
_MOST_BITS = 1 << 33  # one gigabyte
_BATCH = 1 << 18


def differ(cdm: Cdm, table: str, column: str) -> bool:
    """Whether the keys in a column of a large table are proven to differ. False where that was not tried."""
    found = cdm.tables[table]
    if found.is_small or found.families[column] is not Family.INTEGER:
        return False
    key, view = identifier(column), identifier(found.view)
    asked = f"SELECT count({key}), min({key}), max({key}) FROM {view}"
    rows, lowest, highest = (int(value or 0) for value in cdm.cursor.execute(asked).fetchall()[0])
    bits = highest - lowest + 1
    if rows < _LARGE or bits > _MOST_BITS or bits < rows or not -(2**62) < lowest <= highest < 2**62:
        return False
    seen = np.zeros(bits // WORD + 1, np.uint64)
    query = f"SELECT CAST({key} AS BIGINT) AS key FROM {view} WHERE {key} IS NOT NULL"
    return all(
        meet_keys(batch.column(0).to_numpy(), lowest, seen) == 0 for batch in arrow_batches(cdm.cursor, query, _BATCH)
    )
