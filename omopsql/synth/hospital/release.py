"""What may leave a hospital: cells that hold at least ``min_cell`` persons.

Released is the sum over all hospitals, once. A cell that is too small vanishes, or is joined with its neighbours on
an ordered axis. A sum of scores is no number of persons, so it does not tell by itself how many are behind it: another
statistic does, and the sum leaves with that one's cell or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from omopsql.udfs.blocks import best_blocks

from .sums import Counted, Ints, Sums, group_starts


@dataclass(frozen=True)
class Rule:
    """How a statistic is released.

    ``drop``: cells of fewer than ``min_cell`` persons vanish. ``pool``: the last number of the key is a bin of an
    ordered axis; small bins are joined, and the released key has the first and the last bin in its place. Persons far
    from all others are left out there, or, if the histogram is to be ``whole``, belong to the outermost block. ``sum``:
    ``n`` adds up scores or records of persons, and stays where the statistic ``persons`` shows that at least
    ``min_cell`` persons contribute; the key there is how the key here begins. ``keep``: facts that are not about
    persons stay.
    """

    kind: Literal["drop", "pool", "sum", "keep"]
    persons: str = ""
    whole: bool = False

    @property
    def counts_persons(self) -> bool:
        """Whether ``n`` is a number of persons."""
        return self.kind in ("drop", "pool")


DROP, POOL, KEEP, WHOLE = Rule("drop"), Rule("pool"), Rule("keep"), Rule("pool", whole=True)


def summed(persons: str) -> Rule:
    """The rule of a sum whose persons are counted by another statistic."""
    return Rule("sum", persons)


def release(sums: Sums, rules: Mapping[str, Rule], min_cell: int) -> Sums:
    """Suppress or join the cells of fewer than ``min_cell`` persons.

    ``rules`` names every statistic of ``sums``. Raises KeyError when one is missing.
    """
    released = Sums()
    for statistic in sums:
        counted = sums.counted(statistic)
        rule = rules[statistic]
        kind = rule.kind
        if kind == "drop":
            counted = _kept(counted, counted.n >= min_cell)
        elif kind == "pool":
            counted = pooled(counted, min_cell, rule.whole)
        elif kind == "sum":
            counted = _kept(counted, _contributed(sums, rule.persons, counted) >= min_cell)
        released.put(statistic, counted.keys, counted.n, counted.labels)
    return released


def _kept(counted: Counted, kept: np.ndarray) -> Counted:
    labels = None if counted.labels is None else counted.labels.take(np.flatnonzero(kept))
    return Counted(counted.keys[kept], counted.n[kept], labels)


def _contributed(sums: Sums, persons: str, counted: Counted) -> Ints:
    """How many persons contribute to each cell, as the statistic ``persons`` tells; 0 where it has no such cell."""
    found = np.zeros(len(counted), np.int64)
    if persons not in sums:
        return found
    told = sums.counted(persons)
    heads = np.concatenate([told.keys, counted.keys[:, : told.width]])
    cell = np.unique(heads, axis=0, return_inverse=True)[1].reshape(-1)
    held = np.zeros(len(heads), np.int64)
    held[cell[: len(told)]] = told.n
    return held[cell[len(told) :]]


def pooled(counted: Counted, min_cell: int, whole: bool = False) -> Counted:
    """Join neighbouring bins to blocks of at least ``min_cell`` persons each, cut where the data are most likely.

    A histogram is the rows that share all of their key but the last number, the bin. Persons who stand so far from all
    others that no block would take them are left out, unless the histogram is to be ``whole``.
    """
    held = _kept(counted, counted.n > 0)
    starts = group_starts(list(held.keys[:, :-1].T), len(held))
    bins = np.ascontiguousarray(held.keys[:, -1])
    first, last, n = best_blocks(np.append(starts, len(held)), bins, held.n, min_cell, whole)
    keys = np.column_stack([held.keys[first, :-1], bins[first], bins[last]])
    return Counted(keys, n)
