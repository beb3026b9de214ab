"""The outermost edges of released histograms: rounded, so that none tells the value of one person.

The oldest person alone stands at the end of a histogram of ages. Where fewer than ``min_cell`` persons have the value
at an end, the end is moved outwards to a multiple of a public step.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .lives import Int64s
from .sums import Counted, Sums, group_starts

_STEPS = np.array([8, 16, 32])  # 1440 minutes, a day, are a multiple of each
_SHARE = 8  # of the outermost block, one such part is a fitting step


def rounded(released: Sums, exact: Sums, statistics: Iterable[str], min_cell: int) -> Sums:
    """Round the ends of pooled statistics, given the exact sums that they were released from."""
    found = Sums.merged([released])
    for statistic in statistics:
        if statistic in found and len(found.counted(statistic)):
            cells = _rounded(found.counted(statistic), exact.counted(statistic), min_cell)
            found.drop(statistic)
            found.put(statistic, cells.keys, cells.n)
    return found


def _rounded(blocks: Counted, exact: Counted, min_cell: int) -> Counted:
    keys = blocks.keys.copy()
    prefix, low, high = keys[:, :-2], keys[:, -2], keys[:, -1]
    first = group_starts(list(prefix.T), len(keys))
    last = np.append(first[1:], len(keys)) - 1
    frequent = exact.keys[exact.n >= min_cell]
    step = _STEPS[np.clip(np.searchsorted(_STEPS, (high - low + 1) // _SHARE, side="right") - 1, 0, None)]
    below = first[~_among(np.column_stack([prefix, low])[first], frequent)]
    above = last[~_among(np.column_stack([prefix, high])[last], frequent)]
    low[below] = low[below] // step[below] * step[below]
    high[above] = -(-(high[above] + 1) // step[above]) * step[above] - 1
    return Counted(keys, blocks.n)


def _among(rows: Int64s, known: Int64s) -> np.ndarray:
    """Which rows are among known ones."""
    place = np.unique(np.concatenate([known, rows]), axis=0, return_inverse=True)[1].reshape(-1)
    found: np.ndarray = np.isin(place[len(known) :], place[: len(known)])
    return found
