"""What became of every source row: mapped, unmapped, or set aside with a reason. Two bytes a row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

MAPPED, UNMAPPED = "mapped", "unmapped"
SET_ASIDE, NOTE = "set aside", "note"
OTHER_REASONS = "other reasons"
_MAPPED, _UNMAPPED, _FIRST_REASON = 0, 1, 2
_UNTOUCHED = int(np.iinfo(np.uint16).max)
_MOST_REASONS = _UNTOUCHED - _FIRST_REASON - 1  # and one code for the other reasons
SCHEMA = pa.schema(
    [
        ("source_table", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("rows", pa.int64()),
        ("example", pa.string()),
    ]
)

Line = tuple[str, str, str, int, str | None]


@dataclass
class Outcomes:
    """The outcome of each row of one source table: the best that any file made of it counts."""

    table: str
    rows: int
    best: np.ndarray = field(init=False)
    is_read_whole: bool = False  # by a file that does not tell rows apart: those that no other touches are mapped
    codes: dict[str, int] = field(default_factory=dict)  # of reasons, in the order in which they came
    examples: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.best = np.full(self.rows, _UNTOUCHED, np.uint16)

    def loaded(self, rows: np.ndarray, is_mapped: np.ndarray) -> None:
        """Rows (from 1) that stand in the CDM, and whether with a standard concept."""
        self._lower(rows, np.where(is_mapped, _MAPPED, _UNMAPPED))

    def set_aside(self, rows: np.ndarray, reason: str, example: str | None) -> None:
        """Rows (from 1) that were not loaded, for one reason. Reasons beyond the first 65,532 are told as one."""
        if reason not in self.codes and len(self.codes) >= _MOST_REASONS:
            reason = OTHER_REASONS
        code = self.codes.setdefault(reason, _FIRST_REASON + len(self.codes))
        self._lower(rows, np.full(len(rows), code))
        shown = f"row {int(rows.min())}" + (f": {example}" if example else "")
        self.examples.setdefault(reason, shown)

    def _lower(self, rows: np.ndarray, codes: np.ndarray) -> None:
        np.minimum.at(self.best, rows - 1, codes.astype(np.uint16))

    def lines(self, files: str) -> list[Line]:
        """The lines of the report; their rows sum to the rows of the table."""
        if self.is_read_whole:
            self.best[self.best == _UNTOUCHED] = _MAPPED
        counts = np.bincount(self.best, minlength=_UNTOUCHED + 1)
        found: list[Line] = [
            (self.table, MAPPED, "", int(counts[_MAPPED]), None),
            (self.table, UNMAPPED, "no standard concept for its code", int(counts[_UNMAPPED]), None),
        ]
        for reason, code in self.codes.items():
            found.append((self.table, SET_ASIDE, reason, int(counts[code]), self.examples[reason]))
        if counts[_UNTOUCHED]:
            first = int(np.argmax(self.best == _UNTOUCHED)) + 1
            found.append((self.table, SET_ASIDE, f"not selected by {files}", int(counts[_UNTOUCHED]), f"row {first}"))
        return [line for line in found if line[3] or line[1] == MAPPED]


def to_table(lines: list[Line]) -> pa.Table:
    """The lines as a table of ``SCHEMA``, most rows first within a source table."""
    ordered = sorted(lines, key=lambda line: (line[0], line[1], -line[3], line[2]))
    columns = zip(*ordered, strict=True) if ordered else [[] for _ in SCHEMA]
    return pa.table([pa.array(values, f.type) for values, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
