"""Records as numbers: two persons have the same number when their records are equal, on whichever side they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omopsql.evaluate.encode import codes, label_codes
from omopsql.evaluate.sides import Int64s, Sides

Hashes = npt.NDArray[np.uint64]

_STEP, _FIRST, _SECOND = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@dataclass(frozen=True)
class Records:
    """The persons' records of one kind: a number (n) a person and side, from 0, and how many records there are."""

    name: str
    sides: tuple[Int64s, ...]
    size: int

    def persons(self, side: int) -> Int64s:
        """How many persons of a side have each record: (size)."""
        return np.bincount(self.sides[side], minlength=self.size)

    def shared(self, side: int, among: Iterable[int]) -> Int64s:
        """For each person of a side: how many persons of other sides (or of this one) have his record."""
        persons = np.zeros(self.size, np.int64)
        for other in among:
            persons += self.persons(other)
        return persons[self.sides[side]]


def numbered(name: str, hashes: Sequence[Hashes]) -> Records:
    """Number the records that have these hashes, (n) a side."""
    found, places = np.unique(np.concatenate(hashes), return_inverse=True)
    ends = np.cumsum([len(part) for part in hashes])[:-1]
    return Records(name, tuple(np.split(places.astype(np.int64).ravel(), ends)), len(found))


def rows(sides: Sides, columns: Iterable[str]) -> list[Hashes]:
    """Hash the rows of each side over some columns, with every digit of their numbers."""
    hashed = [np.zeros(len(side), np.uint64) for side in sides.every]
    for column in columns:
        is_label = column in sides.labels
        values = label_codes(sides, column).sides if is_label else [_bits(s.numbers(column)) for s in sides.every]
        hashed = [mixed(before, part.astype(np.int64)) for before, part in zip(hashed, values, strict=True)]
    return hashed


def coarse_rows(sides: Sides, columns: Iterable[str]) -> list[Hashes]:
    """Hash the rows of each side over some columns, with numbers to the percentile (of the real persons)."""
    hashed = [np.zeros(len(side), np.uint64) for side in sides.every]
    for column in columns:
        coded = codes(sides, column, 100).sides
        hashed = [mixed(before, part) for before, part in zip(hashed, coded, strict=True)]
    return hashed


def mixed(hashed: Hashes, values: Int64s) -> Hashes:
    """Take one more value into each hash (the mixing function of splitmix64)."""
    with np.errstate(over="ignore"):
        x = (hashed ^ values.view(np.uint64)) + _STEP
        x = (x ^ (x >> np.uint64(30))) * _FIRST
        x = (x ^ (x >> np.uint64(27))) * _SECOND
        return x ^ (x >> np.uint64(31))


def summed(hashed: Hashes, owners: Int64s, size: int) -> Hashes:
    """Add up the hashes of each owner's parts: equal sums are equal parts in whatever order, repeats counted."""
    total = np.zeros(size, np.uint64)
    np.add.at(total, owners, hashed)
    return total


def _bits(numbers: npt.NDArray[np.float64]) -> Int64s:
    """Numbers as whole numbers that are equal when they are: 0 and -0 are, and missing ones."""
    return np.where(np.isnan(numbers), np.nan, numbers + 0.0).view(np.int64)
