"""What is told of records by some of their fields: one text, and a number that it alone decides on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .choices import counted_places
from .counting import counted
from .lives import Int64s
from .subjects import LONGEST
from .sums import Sums

UNKNOWN = 0  # the number of what too few persons share: nothing is told


@dataclass(frozen=True)
class Told:
    """What is told of records: for each record a number that names it, and what it is."""

    numbers: Int64s
    labels: Mapping[int, str]

    @classmethod
    def of(cls, rows: pa.Table, names: tuple[str, ...]) -> Told:
        """Read columns of codes. Empty and long texts are none."""
        columns = [rows[name].combine_chunks().dictionary_encode() for name in names if name in rows.column_names]
        columns = [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in columns]
        codes = [column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) for column in columns]
        if not len(rows):
            return cls(np.zeros(0, np.int64), {})
        cells, place = counted_places(*codes)
        values = [[*map(_code, column.dictionary.to_pylist()), None] for column in columns]
        told = [
            {name: of[code] for name, of, code in zip(names, values, cell, strict=True) if of[code] is not None}
            for cell in cells
        ]
        return cls.labelled(
            [json.dumps(one, sort_keys=True, ensure_ascii=False, separators=(",", ":")) for one in told], place
        )

    @classmethod
    def labelled(cls, labels: Sequence[str], place: npt.NDArray[np.integer]) -> Told:
        """Of each record the label at its place."""
        numbers = np.array([_number_of(label) for label in labels], np.int64)
        return cls(numbers[place], dict(zip(numbers.tolist(), labels, strict=True)))

    def at(self, places: Int64s) -> Told:
        """What is told of some of the records."""
        return Told(self.numbers[places], self.labels)

    def text(self, numbers: Int64s) -> pa.Array:
        """What numbers name."""
        return pa.array([self.labels[number] for number in numbers.tolist()], pa.string())

    def released(self, margins: Sums, statistic: str, group: int) -> Int64s:
        """The number of each record as far as a statistic of ``put_told`` has it in a group; otherwise UNKNOWN."""
        keys, _ = margins.get(statistic, 2)
        return np.where(np.isin(self.numbers, keys[keys[:, 0] == group, 1]), self.numbers, UNKNOWN)


def _code(value: Any) -> Any:
    return None if isinstance(value, str) and not 0 < len(value.strip()) <= LONGEST else value


def _number_of(label: str) -> int:
    """A number from 1 that a label alone decides on."""
    return (int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "big") >> 2) + 1


def put_told(sums: Sums, statistic: str, person: Int64s, group: Int64s, told: Told) -> None:
    """Count the persons by what is told of their records, each group (records) by itself."""
    rows, _ = counted(person, group, told.numbers)
    keys, n = counted(*rows[:, 1:].T)
    sums.put(statistic, keys, n, told.text(keys[:, 1]))


def labels_of(released: Sums, statistic: str) -> dict[int, str]:
    """The released labels of a statistic of ``put_told``, by their numbers."""
    keys, _ = released.get(statistic, 2)
    return dict(zip(keys[:, 1].tolist(), map(str, released.labels(statistic)), strict=True))


def fields_of(released: Sums, statistic: str) -> dict[int, dict[str, Any]]:
    """The fields that released labels tell, by their numbers."""
    return {number: json.loads(label) for number, label in labels_of(released, statistic).items()}
