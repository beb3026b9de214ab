"""Sorting integers by one sort of packed words: several times faster than a sort of indices."""

from __future__ import annotations

import numpy as np


def sorted_order(values: np.ndarray) -> np.ndarray:
    """Positions of integers in ascending order; equal ones in their order, as a stable ``argsort`` gives them.

    Where value and position do not fit into 64 bits together, indices are sorted.
    """
    if values.size < 2:
        return np.arange(values.size)
    low, high = int(values.min()), int(values.max())
    bits = int(values.size - 1).bit_length()
    if (high - low).bit_length() + bits > 64:
        return np.argsort(values, kind="stable")
    packed = values.astype(np.uint64) - np.uint64(low % 2**64)
    packed <<= np.uint64(bits)
    packed |= np.arange(values.size, dtype=np.uint64)
    packed.sort()
    packed &= np.uint64(2**bits - 1)
    return packed.astype(np.int64)
