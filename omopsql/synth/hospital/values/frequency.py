"""How often each series is measured in a stay, by stratum; those who never have it count 0 times."""

from __future__ import annotations

import math

import numpy as np

from ..sums import Sums
from .first_round import ANY, NO_CARE
from .histograms import Histograms

PARTS = 100  # of a person, in which counts that had to be inferred are told

_Stratum = tuple[int, int]
_Head = tuple[int, int, int]  # a stratum and a series
_Times = list[tuple[int, int, float]]  # from, to, and persons


def frequencies(margins: Sums, everyone: dict[_Stratum, int]) -> Histograms:
    """Histograms of counts by stratum and series, in parts of a person. ``everyone`` has the persons of each stratum.

    Where a stratum has too few persons with a series to show them, it has its part of what the coarser stratum has
    beyond those that show it.
    """
    often, held = _released(margins)
    for coarse, fine in _divided(everyone):
        for series in {head[2] for head in held if head[:2] == coarse}:
            _infer(often, held, coarse, fine, series, everyone)
    rows = [(*head, low, high, persons) for head, times in often.items() for low, high, persons in times]
    rows += [(*head, 0, 0, everyone[head[:2]] - persons) for head, persons in held.items() if head in often]
    told = [(*row[:5], math.floor(row[5] * PARTS + 0.5)) for row in sorted(rows)]
    found = np.array([row for row in told if row[5] > 0], np.int64).reshape(-1, 6)
    return Histograms.of(found[:, :3], found[:, 3], found[:, 4], found[:, 5])


def _released(margins: Sums) -> tuple[dict[_Head, _Times], dict[_Head, float]]:
    """How often persons of a stratum have each series, and how many have it at all, as far as it was released."""
    often: dict[_Head, _Times] = {}
    keys, n = margins.get("values.count", 5)
    for (care, died, series, low, high), persons in zip(keys.tolist(), n.tolist(), strict=True):
        often.setdefault((care, died, series), []).append((low, high, persons))
    heads, ever = margins.get("values.ever", 3)
    held = {(care, died, series): n for (care, died, series), n in zip(heads.tolist(), ever.tolist(), strict=True)}
    return often, held


def _divided(everyone: dict[_Stratum, int]) -> list[tuple[_Stratum, list[_Stratum]]]:
    """Each coarser stratum, the coarsest first, and the finer ones that it consists of."""
    fine = [key for key in everyone if key[0] != NO_CARE]
    halves = [key for key in everyone if key[0] == NO_CARE and key[1] != ANY]
    return [((NO_CARE, ANY), halves), *((half, [key for key in fine if key[1] == half[1]]) for half in halves)]


def _infer(
    often: dict[_Head, _Times],
    held: dict[_Head, float],
    coarse: _Stratum,
    fine: list[_Stratum],
    series: int,
    everyone: dict[_Stratum, int],
) -> None:
    """Put in what finer strata do not show: each has the same share of what is left, as often as the coarser one."""
    shown = [stratum for stratum in fine if (*stratum, series) in held]
    left = held[(*coarse, series)] - sum(held[(*stratum, series)] for stratum in shown)
    persons = everyone[coarse] - sum(everyone[stratum] for stratum in shown)
    share = min(max(left / max(persons, 1), 0.0), 1.0)
    times = often.get((*coarse, series), [])
    total = sum(persons for *_, persons in times)
    for stratum in fine:
        head = (*stratum, series)
        if head not in often and total:
            held[head] = share * everyone[stratum]
            often[head] = [(low, high, held[head] * each / total) for low, high, each in times]
