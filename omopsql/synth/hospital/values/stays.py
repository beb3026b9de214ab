"""Stays with many measurements, one for each person, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from omopsql.udfs.stay_edges import COUNT_EDGES, GROUP_EDGES
from omopsql.udfs.stream import mixed

from ..lives import Doubles, Int32s, Int64s
from .grid import leveled

BANDS = len(COUNT_EDGES)
GROUPS = len(GROUP_EDGES)
_NOTHING = 1e-18


@dataclass(frozen=True)
class Stays:
    """Stays, one a person: kind of care (hash of its label), death in it (0, 1), sex, age (years), length (minutes)."""

    care: Int64s
    died: Int64s
    sex: Int64s
    age: Int64s
    length: Int64s

    def __len__(self) -> int:
        return len(self.care)


@dataclass(frozen=True)
class Records:
    """Values of stays, sorted by stay, series, minute and value; ``series`` counts through ``hashes``."""

    hashes: Int64s
    stay: Int32s
    series: Int32s
    minute: Int32s
    value: Doubles

    def __len__(self) -> int:
        return len(self.value)

    @cached_property
    def runs(self) -> Runs:
        """The records of one series in one stay are a run."""
        levels = np.empty(len(self))
        _level(self.value, levels)
        return Runs.of(self, levels)


@dataclass(frozen=True)
class Runs:
    """Runs and the summaries of their levels: on the public logarithmic scale, or any other.

    ``mean``; ``spread``, the standard deviation; ``trend``, the correlation with time, -1 to 1: how much of the spread
    a line explains; ``change``, how far that line goes from the first record to the last. ``rest`` is each record's
    distance from the line; ``chance`` is a number that the run's content decides.
    """

    stay: Int32s
    series: Int32s
    start: Int64s
    end: Int64s
    mean: Doubles
    trend: Doubles
    change: Doubles
    spread: Doubles
    rest: Doubles
    chance: np.ndarray

    @classmethod
    def of(cls, records: Records, levels: Doubles) -> Runs:
        """Find the runs of records, and summarise their levels."""
        group = records.stay.astype(np.int64) * max(len(records.hashes), 1) + records.series
        start = np.flatnonzero(np.diff(group, prepend=-1))
        end = np.append(start[1:], len(group))[: len(start)]
        mean, trend, change, spread = np.empty((4, len(start)))
        rest, chance = levels.copy(), np.empty(len(start), np.uint64)
        _summarise(start, end, records.minute, records.value, mean, trend, change, spread, rest, chance)
        return cls(records.stay[start], records.series[start], start, end, mean, trend, change, spread, rest, chance)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def count(self) -> Int64s:
        """How many records each run has."""
        return self.end - self.start

    @property
    def steady(self) -> np.ndarray:
        """Whether all values of a run are the same, though they are several."""
        return (self.spread == 0.0) & (self.count > 1)

    @property
    def band(self) -> Int64s:
        """The band of each run's count."""
        return bands(self.count)

    @property
    def group(self) -> Int64s:
        """The group, of bands, of each run's count."""
        return np.searchsorted(GROUP_EDGES, self.count, "right") - 1

    def chosen(self, salt: int, least: int = 0) -> tuple[Int64s, Int64s]:
        """Choose one record of each run that has more than ``least``, not among its first ``least``.

        Returns the runs and the records. The run's own content decides.
        """
        runs = np.flatnonzero(self.count > least)
        chosen = picks(self.chance[runs], salt, self.count[runs] - least)
        return runs, self.start[runs] + least + chosen


def bands(count: Int64s) -> Int64s:
    """The band that each count, 1 or more, falls in."""
    return np.searchsorted(COUNT_EDGES, count, "right") - 1


@njit(cache=True, nogil=True)
def _level(value, levels):
    for i in range(value.size):
        levels[i] = leveled(value[i])


@njit(cache=True, nogil=True)
def _summarise(start, end, minute, value, mean, trend, change, spread, rest, chance):
    for run in range(start.size):
        count = end[run] - start[run]
        level, time = 0.0, 0.0
        chance[run] = mixed(np.uint64(count))
        for i in range(start[run], end[run]):
            level += rest[i]
            time += minute[i]
            chance[run] = mixed(chance[run] ^ np.uint64(minute[i]) ^ np.uint64(np.int64(value[i] * 1000.0)))
        level, time = level / count, time / count
        covariance, variance = 0.0, 0.0
        for i in range(start[run], end[run]):
            rest[i] -= level
            covariance += (minute[i] - time) * rest[i]
            variance += (minute[i] - time) ** 2
        slope = covariance / variance if variance > 0.5 else 0.0
        total, left = 0.0, 0.0
        for i in range(start[run], end[run]):
            total += rest[i] * rest[i]
            rest[i] -= slope * (minute[i] - time)
            left += rest[i] * rest[i]
        mean[run] = level
        trend[run] = np.sign(slope) * np.sqrt(max(1.0 - left / total, 0.0)) if total > _NOTHING else 0.0
        change[run] = slope * (minute[end[run] - 1] - minute[start[run]]) if total > _NOTHING else 0.0
        spread[run] = np.sqrt(total / count) if total > _NOTHING else 0.0


@njit(cache=True, nogil=True)
def picks(chance, salt, count):
    """Choose a number below each ``count``, as a random number and a salt decide."""
    found = np.empty(chance.size, np.int64)
    for i in range(chance.size):
        found[i] = np.int64(mixed(chance[i] ^ np.uint64(salt)) % np.uint64(count[i]))
    return found
