"""Recognising what a column is from its counts: keys, free text, numbers written as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from omopsql.udfs.bucket import bucket_low

from .columns import IDENTIFIER, NUMBER_TEXT, UNLEARNED


def looks_like_key(name: str, counted: pa.Table, rows: int, min_cell: int) -> bool:
    """Whether integers are keys: all different, and named like a key or without gaps."""
    present = total(counted)
    distinct = int(np.sum(counted["values"].to_numpy())) if counted.num_rows else 0
    if present < max(rows // 2, 2 * min_cell) or distinct < present:
        return False
    buckets = counted["bucket"].to_numpy()
    span = bucket_low(int(buckets.max()) + 1) - bucket_low(int(buckets.min()))
    return named_like_key(name) or span <= 1.05 * present + 2


def named_like_key(name: str) -> bool:
    """Whether a column is called like a key."""
    lowered = name.lower()
    return lowered.endswith(("id", "_no", "_nr", "key", "mrn", "number", "uuid")) or lowered.startswith("id")


def text_kind(name: str, told: list[dict[str, Any]], pooled: dict[str, Any], present: int) -> tuple[str | None, str]:
    """Recognise identifiers, free text, and numbers or dates written as text; None means a plain category."""
    numbers, dates = sum(row["numbers"] for row in told), sum(row["dates"] for row in told)
    rare = pooled["n"] / present
    different = pooled["values"] / pooled["n"]
    if rare > 0.9 and pooled["values"] == pooled["n"] and named_like_key(name):
        return IDENTIFIER, "every value is different"
    if rare > 0.05 and (dates >= 0.95 * present or numbers >= 0.5 * present):
        return NUMBER_TEXT, ""
    if rare > 0.5 and different > 0.5:
        words = 1 + pooled["blanks"] / pooled["n"]
        if words > 2.5 or pooled["characters"] / pooled["n"] > 60:
            return UNLEARNED, "free text"
        if rare > 0.9 and different > 0.98:
            return IDENTIFIER, "almost every value is different"
    return None, ""


def total(counted: pa.Table) -> int:
    """How many rows the counts cover."""
    return int(np.sum(counted["n"].to_numpy())) if counted.num_rows else 0
