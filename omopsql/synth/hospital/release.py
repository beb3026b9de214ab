"""What may leave a hospital: cells that hold at least ``min_cell`` persons.

Released is the sum over all hospitals, once. A cell that is too small vanishes, or is joined with its neighbours on
an ordered axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from omopsql.udfs.blocks import best_blocks

from .sums import Counted, Sums, group_starts


@dataclass(frozen=True)
class Rule:
    """How a statistic is released.

    ``drop``: cells of fewer than ``min_cell`` persons vanish. ``pool``: the last number of the key is a bin of an
    ordered axis; small bins are joined, and the released key has the first and the last bin in its place. ``keep``:
    facts that are not about persons stay.
    """

    kind: Literal["drop", "pool", "keep"]


DROP, POOL, KEEP = Rule("drop"), Rule("pool"), Rule("keep")


def release(sums: Sums, rules: Mapping[str, Rule], min_cell: int) -> Sums:
    """Suppress or join the cells of fewer than ``min_cell`` persons.

    ``rules`` names every statistic of ``sums``. Raises KeyError when one is missing.
    """
    released = Sums()
    for statistic in sums:
        counted = sums.counted(statistic)
        kind = rules[statistic].kind
        if kind == "drop":
            counted = _kept(counted, counted.n >= min_cell)
        elif kind == "pool":
            counted = pooled(counted, min_cell)
        released.put(statistic, counted.keys, counted.n, counted.labels)
    return released


def _kept(counted: Counted, kept: np.ndarray) -> Counted:
    labels = None if counted.labels is None else counted.labels.take(np.flatnonzero(kept))
    return Counted(counted.keys[kept], counted.n[kept], labels)


def pooled(counted: Counted, min_cell: int) -> Counted:
    """Join neighbouring bins to blocks of at least ``min_cell`` persons each, cut where the data are most likely.

    A histogram is the rows that share all of their key but the last number, the bin. Persons who stand so far from all
    others that no block would take them are left out.
    """
    held = _kept(counted, counted.n > 0)
    starts = group_starts(list(held.keys[:, :-1].T), len(held))
    bins = np.ascontiguousarray(held.keys[:, -1])
    first, last, n = best_blocks(np.append(starts, len(held)), bins, held.n, min_cell)
    keys = np.column_stack([held.keys[first, :-1], bins[first], bins[last]])
    return Counted(keys, n)
