"""Keys that stand more than once: one bit a value that a key may have, set when it is met."""

from __future__ import annotations

import numba
import numpy as np

WORD = 64  # bits


@numba.njit(cache=True, nogil=True)
def meet_keys(keys, lowest, seen):
    """Set the bits of ``keys`` in ``seen``, and return how many were set already.

    keys: int64, shape (n,), none below ``lowest``. seen: uint64, shape (m,), a bit for each of ``lowest`` to
    ``lowest + 64 m - 1``, and no key above.
    """
    met = 0
    for key in keys:
        bit = np.uint64(key - lowest)
        word = bit >> np.uint64(6)
        mask = np.uint64(1) << (bit & np.uint64(63))
        if seen[word] & mask:
            met += 1
        else:
            seen[word] |= mask
    return met
