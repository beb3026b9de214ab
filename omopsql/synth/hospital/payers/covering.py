"""Which of a person's periods covers a day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..lives import Int64s
from .statistics import FARTHEST

_STEPS_BACK = 6  # periods that may have ended before a day and begun after the one that covers it


def covering(
    owner: Int64s, start: Int64s, end: Int64s, person: npt.NDArray[np.integer], day: npt.NDArray[np.integer]
) -> Int64s:
    """The place of the last period, sorted by owner and start, that covers each day of a person; -1: none does."""
    if not len(owner):
        return np.full(len(day), -1, np.int64)
    begins = owner * FARTHEST * 2 + start + FARTHEST // 2
    wanted = np.asarray(person, np.int64) * FARTHEST * 2 + day + FARTHEST // 2
    place = np.searchsorted(begins, wanted, side="right") - 1
    for _ in range(_STEPS_BACK):
        at = np.maximum(place, 0)
        over = (place >= 0) & (owner[at] == person) & (end[at] < day)
        place = np.where(over, place - 1, place)
    at = np.maximum(place, 0)
    fits = (place >= 0) & (owner[at] == person) & (start[at] <= day) & (end[at] >= day)
    return np.where(fits, place, -1)
