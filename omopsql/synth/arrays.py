"""The two flat arrays that a compiled model is made of."""

from __future__ import annotations

import numpy as np

from omopsql.udfs.draw import alias_table


class Arrays:
    """Two arrays that grow together: a table put at an offset has that offset in both."""

    def __init__(self) -> None:
        self._ints: list[np.ndarray] = []
        self._reals: list[np.ndarray] = []
        self.size = 0

    def put(self, ints: np.ndarray | None = None, reals: np.ndarray | None = None) -> int:
        """Append a table given by its integers, its doubles or both, and return its offset."""
        size = max(0 if a is None else np.asarray(a).size for a in (ints, reals))
        offset = self.size
        for store, given, dtype in ((self._ints, ints, np.int64), (self._reals, reals, np.float64)):
            table = np.zeros(size, dtype)
            if given is not None:
                table[: np.asarray(given).size] = np.asarray(given, dtype).reshape(-1)
            store.append(table)
        self.size += size
        return offset

    def put_alias(self, weights: np.ndarray) -> int:
        """Append the alias table of a distribution."""
        shares, aliases = np.empty(len(weights)), np.empty(len(weights), np.int64)
        alias_table(np.asarray(weights, np.float64), shares, aliases)
        return self.put(aliases, shares)

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the two arrays."""
        return np.concatenate(self._ints), np.concatenate(self._reals)
