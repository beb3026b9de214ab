"""Histories of persons as arrays: every record is an item, that is a concept in a table, on a day of life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from .folders import opened, query

WHITE = 8527
_CONCEPTS = 1 << 40  # more than there are concepts, so that a table and a concept make one key


@dataclass(frozen=True)
class Items:
    """What the item numbers of histories stand for: ``table`` 1 to 6 (see histories.sql) and ``concept``."""

    table: np.ndarray
    concept: np.ndarray


@dataclass(frozen=True)
class Histories:
    """Persons and their records, in the order of persons, then days.

    ``offsets`` int64[n + 1]: where each person's records start; ``item`` and ``t`` int64[records]: what, and how many
    days after birth; ``sex`` int64[n]: 1 is male; ``by``: year of birth; ``len``: days from birth to the end of
    observation; ``race``: concept.
    """

    offsets: np.ndarray
    item: np.ndarray
    t: np.ndarray
    sex: np.ndarray
    by: np.ndarray
    len: np.ndarray
    race: np.ndarray

    @classmethod
    def of(cls, arrays: Histories | Mapping[str, np.ndarray]) -> Histories:
        """Take arrays by the names above."""
        return arrays if isinstance(arrays, Histories) else cls(**arrays)

    @property
    def persons(self) -> int:
        """Number of persons."""
        return self.sex.size

    @cached_property
    def person(self) -> np.ndarray:
        """The person of each record, from 0."""
        return np.repeat(np.arange(self.persons), np.diff(self.offsets))

    @cached_property
    def contacts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Days with records: person, day, number of records."""
        starts = np.flatnonzero(_first_of_each(self.person, self.t))
        return self.person[starts], self.t[starts], np.diff(np.append(starts, self.item.size))

    def counts(self, items: int, kept: np.ndarray | None = None) -> np.ndarray:
        """Records of each person by item, int32[persons, items]; only those that ``kept`` marks."""
        cell = self.person * items + self.item
        counted = np.bincount(cell if kept is None else cell[kept], minlength=self.persons * items)
        return counted.astype(np.int32).reshape(self.persons, items)

    def first_days(self, items: int) -> np.ndarray:
        """The first day of each item, float64[persons, items]; NaN: never."""
        first = np.full((self.persons, items), np.inf)
        np.minimum.at(first, (self.person, self.item), self.t.astype(float))
        return np.where(np.isinf(first), np.nan, first)

    def gaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Days between each record and the person's next one of the same item: item, days."""
        order = np.lexsort((self.t, self.item, self.person))
        person, item, t = self.person[order], self.item[order], self.t[order]
        again = (person[1:] == person[:-1]) & (item[1:] == item[:-1])
        return item[1:][again], np.diff(t)[again].astype(float)

    def taken(self, chosen: np.ndarray) -> Histories:
        """Only these persons, in this order."""
        lengths = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        records = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][chosen] - offsets[:-1], lengths)
        described = {name: getattr(self, name)[chosen] for name in ("sex", "by", "len", "race")}
        return replace(self, offsets=offsets, item=self.item[records], t=self.t[records], **described)


def read(folders: list[Path]) -> tuple[list[Histories], Items]:
    """Read CDM folders with item numbers that they share: the most frequent of all is 0."""
    histories = [_rows(folder) for folder in folders]
    keys = [_flat(rows, "table_numbers") * _CONCEPTS + _flat(rows, "concepts") for rows in histories]
    known, number, count = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    rank = np.empty(known.size, np.int64)
    rank[np.argsort(-count, kind="stable")] = np.arange(known.size)
    items = np.split(rank[number], np.cumsum([key.size for key in keys])[:-1])
    table, concept = np.divmod(known[np.argsort(rank)], _CONCEPTS)
    return [_histories(rows, item) for rows, item in zip(histories, items, strict=True)], Items(table, concept)


def _rows(folder: Path) -> pa.Table:
    with opened(folder) as con:
        return con.sql(query("histories")).to_arrow_table().combine_chunks()


def _flat(rows: pa.Table, name: str) -> np.ndarray:
    return rows[name].combine_chunks().flatten().to_numpy()


def _histories(rows: pa.Table, item: np.ndarray) -> Histories:
    offsets = np.concatenate([[0], np.cumsum(rows["t"].combine_chunks().value_lengths().to_numpy())])
    described = {name: rows[name].to_numpy() for name in ("sex", "by", "len", "race")}
    return Histories(offsets, item, _flat(rows, "t"), **described)


def _first_of_each(*columns: np.ndarray) -> np.ndarray:
    """Mark rows that differ from the row before."""
    changed = np.zeros(columns[0].size, dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return changed
