"""From a model to a generator: the two flat arrays that the kernels of ``udfs/flat.py`` read."""

from __future__ import annotations

import math

import numpy as np

from omopsql.transport.generator import Generator
from omopsql.udfs import flat
from omopsql.udfs.draw import alias_table

from .columns import CATEGORY, NUMBER
from .margins import Margin
from .model import Model

REST_LABEL = "(rare)"


class Arrays:
    """Two arrays that grow together: a table put at an offset has that offset in both."""

    def __init__(self) -> None:
        self._ints: list[np.ndarray] = []
        self._reals: list[np.ndarray] = []
        self.size = 0

    def put(self, ints: np.ndarray | None = None, reals: np.ndarray | None = None) -> int:
        """Append a table given by its integers, its doubles or both, and return its offset."""
        size = max(0 if a is None else np.asarray(a).size for a in (ints, reals))
        offset = self.size
        for store, given, dtype in ((self._ints, ints, np.int64), (self._reals, reals, np.float64)):
            table = np.zeros(size, dtype)
            if given is not None:
                table[: np.asarray(given).size] = np.asarray(given, dtype).reshape(-1)
            store.append(table)
        self.size += size
        return offset

    def put_alias(self, weights: np.ndarray) -> int:
        """Append the alias table of a distribution."""
        shares, aliases = np.empty(len(weights)), np.empty(len(weights), np.int64)
        alias_table(np.asarray(weights, np.float64), shares, aliases)
        return self.put(aliases, shares)

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the two arrays."""
        return np.concatenate(self._ints), np.concatenate(self._reals)


def slots_of(margin: Margin) -> tuple[int, int]:
    """How many number and label slots a column writes: (0 or 1, 0 or 1)."""
    labels = len(margin.labels) + margin.has_rest
    return int(margin.column.kind != CATEGORY), int(margin.column.kind != NUMBER and labels > 0)


def slot_labels(margin: Margin) -> tuple[str, ...]:
    """The texts of a label slot, the rare labels last."""
    rest = REST_LABEL
    while rest in margin.labels:
        rest += " "
    return (*margin.labels, rest) if margin.has_rest else margin.labels


def number_values(margin: Margin) -> np.ndarray:
    """Scale, firsts and spans of the number cells, as ``value_in_cell`` reads them."""
    unit = margin.column.unit
    scale = round(1.0 / unit) if unit > 0 else 0.0
    if scale:
        first = np.ceil(margin.low * scale - 1e-6)
        last = np.where(margin.high > margin.low, np.ceil(margin.high * scale - 1e-6) - 1.0, first)
        exact = np.rint(margin.low * scale)
        first = np.where(margin.high > margin.low, first, exact)
        span = np.maximum(np.where(margin.high > margin.low, last - first + 1.0, 1.0), 1.0)
        return np.concatenate([[scale], first, span])
    return np.concatenate([[0.0], margin.low, margin.high - margin.low])


def compile_model(model: Model) -> Generator:
    """Compile a model to a generator. The slots stand in the order of the learned columns."""
    arrays = Arrays()
    arrays.put(np.zeros(flat.HEADER))
    slots: list[tuple[str, ...] | None] = []
    records = []
    for margin in model.learned:
        has_number, has_label = slots_of(margin)
        record = np.full(flat.RECORD, -1, np.int64)
        if has_number:
            record[flat.NUMBER_SLOT] = len(slots)
            slots.append(None)
        if has_label:
            record[flat.LABEL_SLOT] = len(slots)
            slots.append(slot_labels(margin))
        record[flat.NUMBERS] = margin.numbers
        record[flat.MISSING] = margin.missing
        record[flat.CELLS] = len(margin.n)
        record[flat.VALUES] = arrays.put(reals=number_values(margin))
        record[flat.ALIAS] = arrays.put_alias(np.maximum(margin.n, 1e-9))
        records.append(record)
    start = arrays.put(np.concatenate(records) if records else np.zeros(0))
    ints, reals = arrays.joined()
    ints[flat.METHOD] = flat.INDEPENDENT
    ints[flat.COLUMNS] = len(records)
    ints[flat.RECORDS] = start
    return Generator(ints, reals, tuple(slots), flat.fill_table)
