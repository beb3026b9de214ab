"""In which way each value of a series is told: the source's code, and its unit.

A blood pressure is taken by cuff or in the artery: one series, two codes, and a third way of telling it is to write
down both at one moment. A person keeps to one way for a while.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from omopsql.udfs.ways import fill_ways

from ..lives import Doubles, Int32s, Int64s
from ..sums import Sums
from .source import TOLD, Numbers, histories

_NEXT = 22  # what a pair of values is chosen for


def count_ways(numbers: Numbers, sums: Sums) -> None:
    """Count persons by the way of their first value of a series, and by two ways in a row, one pair a person."""
    found = histories(numbers)
    series, ways = numbers.series.hashes, numbers.ways
    way = numbers.of_way[found.order]
    of_series, first = series[found.series], ways.hashes[way[found.starts]]
    held = np.unique(np.column_stack([numbers.person, numbers.of_series, numbers.of_way]), axis=0)
    keys = np.column_stack([series[held[:, 1]], ways.hashes[held[:, 2]]])
    labels = pa.array(ways.labels, pa.string()).take(pa.array(held[:, 2]))
    sums.put("values.way", keys, np.ones(len(held)), labels)
    sums.put("values.way_first", np.column_stack([of_series, first]), np.ones(len(first)))
    several = np.flatnonzero(found.ends - found.starts > 1)
    at = found.starts[several] + found.picked(_NEXT, 1)[several]
    pairs = np.column_stack([of_series[several], ways.hashes[way[at]], ways.hashes[way[at + 1]]])
    sums.put("values.way_next", pairs, np.ones(len(pairs)))


@dataclass(frozen=True)
class Ways:
    """The ways of each series, ``first[series]`` to ``first[series + 1]``, and how often one follows another.

    ``parts`` are the labels of each way, one for each record at a moment; ``hashes`` names the series.
    ``opening`` has cumulative shares of the first value's way. The row of way w, from ``start[w]`` on, has those of the
    way that follows, in the order of the ways of its series.
    """

    hashes: Int64s
    labels: list[str]
    parts: list[list[int]]
    first: Int64s
    opening: Doubles
    start: Int64s
    following: Doubles

    @classmethod
    def released(cls, sums: Sums, hashes: Int64s, bare: Sequence[str]) -> Ways:
        """Compile released sums for series of these hashes. ``bare`` labels a series whose ways are all too rare."""
        keys, n = sums.get("values.way", 2)
        told: dict[int, list[tuple[int, str]]] = {}
        for (series, way), label in zip(keys.tolist(), sums.labels("values.way"), strict=True):
            told.setdefault(series, []).append((way, str(label)))
        opens = _counted(sums, "values.way_first", 2)
        follows = _counted(sums, "values.way_next", 3)
        held = dict(zip(map(tuple, keys.tolist()), n.tolist(), strict=True))
        parts, first, opening, following = list[list[str]](), [0], list[Doubles](), list[Doubles]()
        for series, label in zip(hashes.tolist(), bare, strict=True):
            ways = told.get(series, [(0, f"[{label}]")])
            parts += [[json.dumps(part, sort_keys=True) for part in json.loads(name)] for _, name in ways]
            first.append(len(parts))
            usual = [float(held.get((series, way), 1)) for way, _ in ways]
            opening.append(_shares([opens.get((series, way), 0) for way, _ in ways], usual))
            for place, (way, _) in enumerate(ways):
                same = np.eye(len(ways))[place].tolist()
                following.append(_shares([follows.get((series, way, to), 0) for to, _ in ways], same))
        labels = sorted({label for way in parts for label in way})
        return cls(
            hashes=hashes,
            labels=labels,
            parts=[[labels.index(label) for label in way] for way in parts],
            first=np.array(first, np.int64),
            opening=np.concatenate([*opening, np.zeros(0)]),
            start=np.cumsum([0, *map(len, following)]),
            following=np.concatenate([*following, np.zeros(0)]),
        )

    @cached_property
    def told(self) -> dict[str, list[Any]]:
        """What each way says of its records, by the names that labels use; None where it says nothing."""
        labels = [json.loads(label) for label in self.labels]
        return {name: [label.get(name) or None for label in labels] for name in TOLD}

    def drawn(self, seed: int, numbers: Int64s, person: Int64s, series: Int64s) -> Int32s:
        """Draw the way of each value; values stand in the order of person, series and time."""
        way = np.zeros(len(series), np.int32)
        fill_ways(self.hashes, self.first, self.opening, self.start, self.following, seed, numbers, person, series, way)
        return way

    @cached_property
    def sizes(self) -> Int64s:
        """How many records a moment has, by way."""
        return np.array([len(labels) for labels in self.parts], np.int64)

    def label(self, way: Int32s, place: Int64s) -> Int32s:
        """The label of the record at this place of a moment."""
        starts = np.append(0, np.cumsum(self.sizes))
        flat = np.array([label for labels in self.parts for label in labels], np.int32)
        return flat[starts[way] + place]


def _counted(sums: Sums, name: str, width: int) -> dict[tuple[int, ...], int]:
    keys, n = sums.get(name, width)
    return dict(zip(map(tuple, keys.tolist()), n.tolist(), strict=True))


def _shares(n: list[int], otherwise: list[float]) -> Doubles:
    upto = np.cumsum(n if sum(n) else otherwise, dtype=float)
    return np.asarray(upto / upto[-1])
